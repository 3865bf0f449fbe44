// What a link leads to is seen, also where it was folded away.

/** @param {HTMLElement} element */
export function unfold(element) {
  element.closest("details")?.setAttribute("open", "");
  element.scrollIntoView({ block: "nearest" });
}
