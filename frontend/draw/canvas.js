// The one wrapper for canvases: crisp at every pixel ratio, measured when the size changes and not at every draw.

export class Canvas {
  width = 0; // in device pixels, as is everything that is drawn
  height = 0;
  ratio = 1; // device pixels per unit of the drawing
  density = 1; // device pixels per CSS pixel
  /** @type {Map<string, CanvasPattern>} */ #hatchings = new Map();
  #small = new Small();

  /** @param {HTMLElement} parent @param {string} className */
  constructor(parent, className) {
    this.element = document.createElement("canvas");
    this.element.className = className;
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.element.getContext("2d"));
    parent.append(this.element);
  }

  /** Takes the size that the page gives to the element. Clears it. @param {number} scale CSS pixels per unit of the drawing */
  fit(scale = 1) {
    const { width, height } = this.element.getBoundingClientRect();
    this.density = devicePixelRatio || 1;
    this.ratio = this.density * scale;
    this.width = Math.round(width * this.density);
    this.height = Math.round(height * this.density);
    this.element.width = this.width;
    this.element.height = this.height;
  }

  clear() {
    this.pen.clearRect(0, 0, this.width, this.height);
  }

  /**
   * One pixel per cell, enlarged without smoothing: far cheaper than a rectangle each.
   *
   * @param {ImageData} pixels
   * @param {number} left
   * @param {number} top
   * @param {number} width of all, in device pixels
   * @param {number} height
   */
  mosaic(pixels, left, top, width, height) {
    this.#small.put(pixels);
    this.pen.imageSmoothingEnabled = false;
    this.pen.drawImage(this.#small.element, left, top, width, height);
  }

  /**
   * A hatching, for those who cannot tell colours apart.
   *
   * @param {string} colour
   * @param {"/" | "\\"} slope
   * @param {number} spacing in device pixels
   * @param {number} thickness in device pixels
   */
  hatching(colour, slope, spacing, thickness) {
    const key = [colour, slope, spacing, thickness].join(" ");
    const made = this.#hatchings.get(key) ?? this.#hatch(colour, slope, spacing, thickness);
    this.#hatchings.set(key, made);
    return made;
  }

  /** @param {string} colour @param {"/" | "\\"} slope @param {number} spacing @param {number} thickness */
  #hatch(colour, slope, spacing, thickness) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = spacing;
    const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
    pen.strokeStyle = colour;
    pen.lineWidth = thickness;
    // Three lines, since the two neighbouring ones reach into the corners of the tile.
    for (const shift of [-spacing, 0, spacing]) {
      for (const x of [-spacing, 2 * spacing]) {
        const y = slope === "/" ? spacing - x : x;
        if (x < 0) pen.moveTo(x + shift, y);
        else pen.lineTo(x + shift, y);
      }
    }
    pen.stroke();
    return /** @type {CanvasPattern} */ (this.pen.createPattern(tile, "repeat"));
  }
}

/** Where pixels lie before they are enlarged: kept, since a new canvas with its pen costs more than filling it. */
class Small {
  element = new OffscreenCanvas(1, 1);
  #pen = /** @type {OffscreenCanvasRenderingContext2D} */ (this.element.getContext("2d"));

  /** @param {ImageData} pixels */
  put(pixels) {
    const { width, height } = pixels;
    if (this.element.width !== width || this.element.height !== height) {
      this.element.width = width;
      this.element.height = height;
    }
    this.#pen.putImageData(pixels, 0, 0);
  }
}

/** A box of CSS pixels in those of a canvas that covers the same place. @param {{ x: number, y: number, width: number, height: number }} box @param {Pick<Canvas, "density">} canvas */
export const inPixels = ({ x, y, width, height }, { density }) => ({
  x: x * density,
  y: y * density,
  width: width * density,
  height: height * density,
});
