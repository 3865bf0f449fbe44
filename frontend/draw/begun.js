// What a hand begins on a chart before Plotly lies over it: a drag, a click, a tap. It is kept, and gone through once more
// when Plotly has come; what is still to come of it then goes to Plotly by itself. Events of a mouse, since Plotly takes
// these, and since a tap gives them and a finger that scrolls does not.

export class Begun {
  #clicks = 1; // 2: it is the second press of a double click
  #from = { x: 0, y: 0 }; // from the chart's corner, which may move meanwhile
  #to = { x: 0, y: 0 };
  over = false; // the button is up again

  /** @param {MouseEvent} event a press @param {HTMLElement} chart */
  constructor(event, chart) {
    this.chart = chart;
    this.#clicks = event.detail;
    this.#from = this.#to = this.#place(event);
    const go = (/** @type {MouseEvent} */ next) => (this.#to = this.#place(next));
    const end = (/** @type {MouseEvent} */ last) => {
      this.#to = this.#place(last);
      this.over = true;
      removeEventListener("mousemove", go);
    };
    addEventListener("mousemove", go);
    addEventListener("mouseup", end, { once: true });
  }

  /** Go through it again, on what now lies over the chart. */
  repeat() {
    const { left, top } = this.chart.getBoundingClientRect();
    const at = (/** @type {{ x: number, y: number }} */ { x, y }) => ({ clientX: left + x, clientY: top + y, bubbles: true, cancelable: true });
    const { clientX, clientY } = at(this.#from);
    const target = document.elementFromPoint(clientX, clientY);
    if (!target || !this.chart.contains(target)) return;
    const tell = (/** @type {string} */ type, /** @type {{ x: number, y: number }} */ place) =>
      target.dispatchEvent(new MouseEvent(type, { ...at(place), view: window, buttons: type === "mouseup" ? 0 : 1 }));
    // The browser has told the chart of each click that is over; Plotly makes one of its own of what it is told now.
    const twice = (/** @type {Event} */ click) => click.stopPropagation();
    this.chart.addEventListener("click", twice, { capture: true });
    for (let click = 1; click < this.#clicks; click++) {
      tell("mousedown", this.#from);
      tell("mouseup", this.#from);
    }
    tell("mousedown", this.#from);
    if (this.#moved) tell("mousemove", this.#to);
    if (this.over) tell("mouseup", this.#to);
    this.chart.removeEventListener("click", twice, { capture: true });
    if (!this.#moved) target.dispatchEvent(new MouseEvent("mousemove", { ...at(this.#to), view: window })); // the numbers there
  }

  get #moved() {
    return this.#to.x !== this.#from.x || this.#to.y !== this.#from.y;
  }

  /** @param {MouseEvent} event */
  #place({ clientX, clientY }) {
    const { left, top } = this.chart.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }
}
