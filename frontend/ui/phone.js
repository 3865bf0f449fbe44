// Windows that are narrow. A phone's: what is there is watched, one panel under the other, and there is no slider. One
// that is a little wider, as a laptop's at 200 % zoom, has all controls and one column of panels, but no room for Stage.

export const PHONE = matchMedia("(max-width: 620px)");
export const NARROW = matchMedia("(max-width: 720px)");
