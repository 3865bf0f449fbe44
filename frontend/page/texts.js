// Texts that are written over. While a run goes by at full speed this is done several times a second and not with every
// drawing: nobody can read faster, and a text costs the browser more than a curve does (it is laid out, painted, rastered).

/** What is to stand there, as last said. @type {Map<Text, string>} */
const waiting = new Map();
let holding = false;

/** From now on texts wait, or are written at once. @param {boolean} held */
export const holdTexts = (held) => void (holding = held);

/** Writes what waits: all texts, then, are those of what was drawn last. */
export function writeTexts() {
  for (const [node, text] of waiting) write(node, text);
  waiting.clear();
}

/** @param {Text} node @param {string} text */
export function overwrite(node, text) {
  if (holding) return void waiting.set(node, text);
  waiting.delete(node);
  write(node, text);
}

/** @param {Text} node @param {string} text */
function write(node, text) {
  if (node.data !== text) node.data = text;
}
