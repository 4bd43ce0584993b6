"""Is a request hopeless, however long it waits?"""

from nemotron_backend.embedded.admission import bytes_needed, sources, tokens_needed
from nemotron_backend.embedded.cache_memory import CacheMemory
from nemotron_backend.embedded.messages import Refused
from nemotron_backend.embedded.prefix_match import unfit_match
from nemotron_backend.embedded.sequence import Sequence
from nemotron_backend.model.network import Network


def why_hopeless(
    sequence: Sequence, network: Network, memory: CacheMemory, running: tuple[Sequence, ...]
) -> Refused | None:
    """Why it cannot be served, or None."""
    needed, limit = bytes_needed(sequence, network), memory.limit_bytes
    if needed > limit:
        reason = (
            f"prompt and answer of {tokens_needed(sequence, network)} tokens need {needed >> 20} MiB "
            f"of cache, this engine has {limit >> 20} MiB"
        )
        return Refused(id=sequence.request_id, kind="invalid", field="max_tokens", reason=reason)
    unfit = unfit_match(sequence, network, sources(memory, running))
    if unfit is None:
        return None
    reason = (
        f"size {sequence.variant.size} cannot go on from the state of size {unfit.origin.size}: "
        "they differ in their Mamba heads, or in whether they predict further tokens. "
        "Let handover be `prefill`, which reads the tokens anew"
    )
    return Refused(id=sequence.request_id, kind="invalid", field="nvext.handover", reason=reason)
