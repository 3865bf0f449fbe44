// A window as narrow as a phone: what is there is watched, one panel under the other. There is no Stage, and no slider.

export const PHONE = matchMedia("(max-width: 720px)");
