"""The Open Bandit Pipeline's own estimators, called as its users would.

Reads one JSON call a line, names of ``.npz`` files in it, and answers with one: ``values`` of all
estimators given estimated rewards, ``regress`` to estimate rewards by its ``RegressionModel``,
``slates`` for its estimators of slates, ``versions``.
"""

import importlib.util
import sys
import types
import warnings

import numpy as np
from answering import answer_calls

warnings.filterwarnings("ignore")


def _load() -> types.ModuleType:
    # PyTorch is gigabytes and only its policy learners call it; the estimators ask no more than
    # whether an array is a tensor.
    torch = types.ModuleType("torch")
    torch.Tensor = type("Tensor", (), {})
    policy = types.ModuleType("obp.policy")
    policy.BaseContextFreePolicy = policy.BaseContextualPolicy = object
    package = types.ModuleType("obp")
    package.__path__ = list(importlib.util.find_spec("obp").submodule_search_locations)
    sys.modules.update({"torch": torch, "obp": package, "obp.policy": policy})
    import obp.ope

    return obp.ope


OPE = _load()


def _models() -> dict:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    return {
        "logistic regression": LogisticRegression(max_iter=1000, random_state=12345),
        "histogram boosting": HistGradientBoostingClassifier(random_state=12345),
    }


class Peer:
    def values(self, file: str, tau: float, lambda_: float) -> dict:
        with np.load(file) as given:
            log = {name: given[name] for name in given.files}
        known = {name: log[name] for name in ("reward", "action", "pscore", "position")}
        known["action_dist"] = log["action_dist"]
        modelled = {**known, "estimated_rewards_by_reg_model": log["estimated"]}
        found = {
            "IPS": OPE.InverseProbabilityWeighting().estimate_policy_value(**known),
            "SNIPS": OPE.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**known),
        }
        for name, estimator in (
            ("DM", OPE.DirectMethod()),
            ("DR", OPE.DoublyRobust()),
            ("SNDR", OPE.SelfNormalizedDoublyRobust()),
            ("Switch-DR", OPE.SwitchDoublyRobust(tau=tau)),
            ("DR-os", OPE.DoublyRobustWithShrinkage(lambda_=lambda_)),
        ):
            found[name] = estimator.estimate_policy_value(**modelled)
        return {name: float(value) for name, value in found.items()}

    def regress(self, file: str, out: str, model: str, folds: int, seed: int) -> dict:
        with np.load(file) as log:
            regression = OPE.RegressionModel(
                base_model=_models()[model],
                n_actions=int(log["action_context"].shape[0]),
                len_list=int(log["position"].max()) + 1,
                action_context=log["action_context"],
            )
            estimated = regression.fit_predict(
                context=log["context"],
                action=log["action"],
                reward=log["reward"],
                pscore=log["pscore"],
                position=log["position"],
                n_folds=folds,
                random_state=seed,
            )
        np.savez(out, estimated=estimated)
        return {}

    def slates(self, file: str) -> dict:
        with np.load(file) as given:
            log = {name: given[name] for name in given.files}
        common = {name: log[name] for name in ("slate_id", "reward", "position")}
        positions = int(log["position"].max()) + 1
        sips = OPE.SlateStandardIPS(len_list=positions).estimate_policy_value(
            pscore=log["whole"], evaluation_policy_pscore=log["target_whole"], **common
        )
        iips = OPE.SlateIndependentIPS(len_list=positions).estimate_policy_value(
            pscore_item_position=log["marginal"],
            evaluation_policy_pscore_item_position=log["target_marginal"],
            **common,
        )
        rips = OPE.SlateRewardInteractionIPS(len_list=positions).estimate_policy_value(
            pscore_cascade=log["cascade"],
            evaluation_policy_pscore_cascade=log["target_cascade"],
            **common,
        )
        return {"SIPS": float(sips), "IIPS": float(iips), "RIPS": float(rips)}

    def versions(self) -> dict:
        import importlib.metadata

        named = ("obp", "numpy", "scikit-learn")
        return {
            "python": sys.version.split()[0],
            **{name: importlib.metadata.version(name) for name in named},
        }


if __name__ == "__main__":
    answer_calls(Peer())
