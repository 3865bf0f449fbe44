// The theme on show, with its colours resolved.

import { applyTheme, onSystemTheme, themeAfter, themeName } from "../state/theme.js";
import { saveView } from "../state/view.js";

/** @import { Theme, ViewChoices } from "../types.js" */

/**
 * @param {ViewChoices} view
 * @param {(theme: Theme) => void} changed
 */
export function createLook(view, changed) {
  let theme = applyTheme(view.theme);

  /** The view names another one, or the system has changed. */
  function again() {
    theme = applyTheme(view.theme);
    changed(theme);
  }

  onSystemTheme(again);

  return {
    theme: () => theme,
    again,
    toggle() {
      view.theme = themeAfter(themeName(view.theme));
      saveView(view);
      again();
    },
  };
}
