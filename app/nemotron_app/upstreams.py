"""Which other servers do the settings name, and which models do they answer for?"""

from collections.abc import Iterator

from nemotron_app.accounts import Misconfigured
from nemotron_app.setting_values import Upstream, UpstreamEntry
from nemotron_app.settings import Settings
from nemotron_backend.catalog import Catalog, Model, UnknownModel
from nemotron_backend.request import Variant
from nemotron_backend.upstream import HOSTED, NIM, NVIDIAS_STATUS_URL, UpstreamModel, UpstreamOptions


def upstream_options(settings: Settings, catalog: Catalog) -> tuple[UpstreamOptions, ...]:
    """Each server. Raises Misconfigured for what the catalog does not know, and for an engine without any."""
    if settings.engine == "upstream" and not settings.upstreams:
        raise Misconfigured("engine: `upstream` needs `upstreams`, which says who answers")
    return tuple(_options(upstream, place, catalog) for place, upstream in enumerate(settings.upstreams))


def _options(upstream: Upstream, place: int, catalog: Catalog) -> UpstreamOptions:
    is_hosted = upstream.kind == "hosted"
    return UpstreamOptions(
        name=upstream.name,
        url=upstream.url,
        key=upstream.key.get_secret_value(),
        models=tuple(_models(upstream, f"upstreams.{place}.models", catalog)),
        offers=(HOSTED if is_hosted else NIM) if upstream.offers is None else upstream.offers,
        status_url=upstream.status_url or (NVIDIAS_STATUS_URL if is_hosted else ""),
    )


def _models(upstream: Upstream, place: str, catalog: Catalog) -> Iterator[UpstreamModel]:
    for number, entry in enumerate(upstream.models):
        try:
            model = catalog.find(entry.model)
        except UnknownModel as error:
            raise Misconfigured(f"{place}.{number}.model: {error}") from error
        variant = _variant(entry, model, f"{place}.{number}")
        yield UpstreamModel(variant=variant, name=entry.name, thinks=model.reasoning is not None)


def _variant(entry: UpstreamEntry, model: Model, place: str) -> Variant:
    """What is said to run there: another server takes no decode mode from a request."""
    sizes = [size.name for size in model.sizes]
    size = entry.size or sizes[0]
    for name, value, possible in (
        ("size", size, sizes),
        ("precision", entry.precision, model.precisions),
    ):
        if value not in possible:
            raise Misconfigured(
                f"{place}.{name}: {model.id} has no {name} {value!r}; possible: {', '.join(possible)}"
            )
    return Variant(model=model.id, size=size, precision=entry.precision, decode="autoregressive")
