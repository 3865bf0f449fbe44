// Bars as closed lines. A chart is drawn by a sketch of our own while a run goes on, which knows lines and filled outlines.

/** @typedef {{ x: number[], y: number[], customdata: string[] }} Polygons closed, with gaps between them */
/** @typedef {{ left: number, right: number, bottom: number, top: number, text: string }} Bar `text` is what its tooltip says */

/** @returns {Polygons} */
export const nothing = () => ({ x: [], y: [], customdata: [] });

/** @param {Polygons} polygons that one more joins @param {Bar} bar */
export function rectangle({ x, y, customdata }, { left, right, bottom, top, text }) {
  x.push(left, left, right, right, left, NaN);
  y.push(bottom, top, top, bottom, bottom, NaN);
  customdata.push(text, text, text, text, text, "");
}
