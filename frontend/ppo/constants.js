// Made from the code by `python docs/generate.py`; do not edit.
// Numbers of the trainer that the page computes with, too.

/** Below it rounding would decide who is held. */
export const SMALLEST_CLIP_RANGE = 1e-5;

/** Where log r ends, so that r stays finite. */
export const LARGEST_LOGRATIO = 80;

/** How many times target_kl a minibatch's k3 may be. */
export const KL_MARGIN = 1.5;

/** How many times its target the KL may be before β is moved. */
export const KL_COEF_MARGIN = 1.5;

/** By how much β is moved. */
export const KL_COEF_FACTOR = 2;

/** Between which the KL moves β. */
export const KL_COEF_BOUNDS = /** @type {const} */ ([0.0001, 10000]);

/** How many times desired_kl the KL may be before α is moved. */
export const RATE_MARGIN = 2;

/** What rounding makes of π/π, at most: |r − 1|. */
export const FIRST_RATIO_LIMIT = 0.0001;
