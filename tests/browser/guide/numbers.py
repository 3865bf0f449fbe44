"""The numbers of the guide's texts, as the page writes them, from what a moment holds."""

import numpy as np


def minus(text):
    return text.replace("-", "−")


def fixed(value, decimals):
    text = f"{value:.{decimals}f}"
    return minus(text.lstrip("-") if float(text) == 0 else text)


def percent(value):
    return f"{fixed(100 * value, 1)}\u00a0%"


def number(value, digits=3):
    if value != 0 and abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return minus(f"{float(mantissa):g}×10{raised}")
    return minus(f"{value:,.0f}" if abs(value) >= 10**digits else f"{float(f'{value:.{digits}g}'):g}")


def term(value):
    size = abs(value)
    if 1e-6 <= size < 1e-4:
        return number(value, 1)
    return fixed(value, 4 if size < 100 else 3 if size < 1000 else 2)


def flow(header, arrays):
    """Lengths of ∇L_PG and of c₁·∇L_VF where they could meet, and the cosine between them."""
    if "gradients" not in header["notes"]:
        return []  # their panel has just come into sight
    names, c1 = header["notes"]["gradients"]["layers"], header["settings"]["value_coef"]
    shared = any(name.startswith("trunk") for name in names)
    chosen = [name.startswith("trunk" if shared else "policy") for name in names]
    policy, value, *_ = arrays["gradient_norms"].astype(float)[:, chosen]
    if not shared:
        assert not value.any()
        return [number(np.linalg.norm(policy)), "0"]
    product = arrays["gradient_cosines"].astype(float)[0, chosen] @ (policy * value)
    lengths = np.linalg.norm(policy), np.linalg.norm(value)
    return [number(lengths[0]), number(c1 * lengths[1]), fixed(product / np.prod(lengths), 2)]


def numbers(chapter, header, arrays):
    """All live numbers of a chapter's text, in their order, from what the server holds of the moment."""
    s, used = header["scalars"], {name: f"{value}" for name, value in header["settings"].items()}
    return {
        1: lambda: [
            term(s["loss"]),
            number(s["gradient_norm"]),
            fixed(s["gradient_clip_factor"], 3),
            used["max_grad_norm"],
        ],
        2: lambda: [
            fixed(s["explained_variance_before"], 3),
            "Â",
            *(number(s[n]) for n in ("advantage_mean", "advantage_std")),
            "Â",
            "Â",
        ],
        3: lambda: [
            term(s["policy_loss"]),
            used["value_coef"],
            term(s["value_loss"]),
            used["entropy_coef"],
            term(s["entropy"]),
            term(s["loss"]),
        ],
        4: lambda: [*(fixed(s[n], 2) for n in ("ratio_min", "ratio_max")), used["clip_range"]],
        5: lambda: [
            term(s["value_loss"]),
            *(fixed(s[n], 3) for n in ("explained_variance_before", "explained_variance")),
        ],
        6: lambda: flow(header, arrays),
        7: lambda: [term(s[n]) for n in ("entropy", "final_entropy", "entropy_high")],
        8: lambda: [
            number(s["final_kl_exact"]),
            *(fixed(s[n], 2) for n in ("final_ratio_min", "final_ratio_max")),
            used["epochs"],
        ],
    }[chapter]()
