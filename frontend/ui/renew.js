// What is written anew while somebody reads it: what has not changed stays the element that it was, with its focus, its
// selection and its place. What is done with it is listened for above it.

/** What tells an element from its neighbours, where they may come and go. @param {Node} node */
const keyOf = (node) => (node instanceof HTMLElement ? node.dataset.key : undefined);

/** Gives an element these children; of those with a `data-key` the one of that key goes on. @param {Element} parent @param {Node[]} fresh */
export function renew(parent, fresh) {
  const wanted = new Set(fresh.map(keyOf));
  const gone = (/** @type {Node} */ node) => keyOf(node) !== undefined && !wanted.has(keyOf(node));
  for (const node of [...parent.childNodes]) if (gone(node)) node.remove();
  const keyed = new Map([...parent.childNodes].map((node) => [keyOf(node), node]));
  /** @type {Node | null} */
  let next = parent.firstChild;
  for (const node of fresh) {
    const key = keyOf(node);
    const old = key === undefined ? next : keyed.get(key);
    if (!old || keyOf(old) !== key) {
      parent.insertBefore(node, next);
    } else if (old === next) {
      next = next.nextSibling;
      bring(old, node);
    } else {
      parent.insertBefore(old, next);
      bring(old, node);
    }
  }
  while (next) {
    const after = next.nextSibling;
    parent.removeChild(next);
    next = after;
  }
}

/** @param {any} old @param {any} fresh */
function bring(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old instanceof Text && fresh instanceof Text) old.data = fresh.data;
  else if (old instanceof Element && fresh instanceof Element && old.tagName === fresh.tagName) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    renew(old, [...fresh.childNodes]);
  } else old.replaceWith(fresh);
}
