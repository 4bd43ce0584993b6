"""Which widget stands where?

A server puts the page up with `nemotron_app.ui.mount.mount_page(app, Site(api_url=...))`, after its own
routes; that serves the static files as well.
"""

from typing import Any

import gradio as gr
from markupsafe import Markup

from nemotron_app.ui import strings
from nemotron_app.ui.api import Api, Readiness
from nemotron_app.ui.assets import static_folder
from nemotron_app.ui.compare import Comparison, compare_view
from nemotron_app.ui.controls import build_controls
from nemotron_app.ui.conversation import Conversation
from nemotron_app.ui.dialogue import Dialogue
from nemotron_app.ui.events import Handlers, connect
from nemotron_app.ui.markup import element
from nemotron_app.ui.notice import pill
from nemotron_app.ui.panel import Panel
from nemotron_app.ui.redraw import Redraw
from nemotron_app.ui.score import score_tab
from nemotron_app.ui.site import Site
from nemotron_app.ui.watch import watch_view
from nemotron_app.ui.widgets import Chat, Export, Memory, Widgets

LOADING_SECONDS = 1.0
MAX_QUEUE = 256
_UNKNOWN = Readiness(state="starting", progress="")


def build_page(site: Site) -> gr.Blocks:
    """The page, ready to be mounted by `nemotron_app.ui.mount`."""
    api = Api(site)
    page: gr.Blocks
    with gr.Blocks(title=strings.TITLE, analytics_enabled=False, fill_width=True) as page:
        widgets = _layout(api)
        redraw = Redraw(widgets)
        handlers = Handlers(
            dialogue=Dialogue(api, widgets, redraw),
            panel=Panel(api, widgets),
            comparison=Comparison(widgets),
        )
        connect(page, widgets, handlers)
    page.queue(default_concurrency_limit=None, max_size=MAX_QUEUE, api_open=False)
    return page


def _layout(api: Api) -> Widgets:
    state = _header()
    memory = _memory()
    origin = gr.Textbox(visible=False)
    with gr.Tabs(elem_id="np-pages"):
        with gr.Tab(strings.TAB_PLAYGROUND), gr.Row(elem_id="np-playground"):
            with gr.Column(elem_id="np-main", scale=1), gr.Tabs(elem_id="np-views"):
                with gr.Tab(strings.TAB_CHAT, elem_id="np-chat"):
                    chat = _chat()
                with gr.Tab(strings.TAB_COMPARE, elem_id="np-compare-tab") as compare_tab:
                    compare = compare_view()
                export = _export(origin)
            with gr.Column(elem_id="np-panel", scale=0, min_width=320):
                controls = build_controls()
        score_tab(api)
        with gr.Tab(strings.TAB_MODELS):
            gallery = gr.HTML(elem_id="np-gallery", apply_default_css=False)
        with gr.Tab(strings.TAB_KEYS):
            _place("np-keys")
        with gr.Tab(strings.TAB_USAGE):
            _place("np-usage")
    return Widgets(
        pill=state,
        chat=chat,
        compare=compare,
        compare_tab=compare_tab,
        export=export,
        gallery=gallery,
        controls=controls,
        memory=memory,
        clock=gr.Timer(LOADING_SECONDS),
    )


def _header() -> gr.HTML:
    logo = Markup((static_folder() / "logo.svg").read_text("utf-8"))
    name = element("h1", strings.TITLE) + element("p", strings.TAGLINE)
    with gr.Row(elem_id="np-header"):
        brand = element("div", logo + element("div", name), class_="np-brand")
        gr.HTML(str(brand), apply_default_css=False, elem_id="np-brand")
        state = gr.HTML(pill(_UNKNOWN), apply_default_css=False, elem_id="np-state")
        _place("np-account")
        gr.HTML(str(_switches()), apply_default_css=False, elem_id="np-switches")
    return state


def _place(name: str) -> None:
    """Room for an element of `static/account.js`, which asks the server by itself who looks at it."""
    gr.HTML(str(element(name)), apply_default_css=False, elem_classes=["np-place"])


def _switches() -> Markup:
    """Buttons that `static/page.js` answers, and the words it needs; the style sheet draws the icons."""
    panel = element(
        "button",
        type="button",
        class_="np-icon",
        data_panel_switch=True,
        aria_label=strings.SETTINGS,
        aria_expanded="false",
        aria_controls="np-panel",
        title=strings.SETTINGS,
    )
    scheme = element(
        "button",
        type="button",
        class_="np-icon",
        data_theme_switch=True,
        aria_label=strings.THEME,
        title=strings.THEME,
    )
    words = element(
        "span",
        id="np-words",
        hidden=True,
        data_conversation=strings.TRANSCRIPT_LABEL,
        data_edit=strings.EDIT_LABEL,
        data_copy=strings.COPY,
        data_copied=strings.COPIED,
        data_delete=strings.DELETE,
        data_regenerate=strings.REGENERATE,
    )
    return element("div", panel + scheme + words, class_="np-switches")


def _memory() -> Memory:
    return Memory(
        conversation=gr.State(Conversation()),
        run=gr.State(None),
        models=gr.State(()),
        readiness=gr.State(_UNKNOWN),
    )


def _chat() -> Chat:
    transcript = gr.Chatbot(
        label=strings.TRANSCRIPT_LABEL,
        show_label=False,
        container=False,
        height="100%",
        editable="all",
        buttons=[],
        sanitize_html=True,
        allow_tags=False,
        layout="bubble",
        placeholder=str(element("h2", strings.EMPTY_TITLE) + element("p", strings.EMPTY_TEXT)),
        examples=[{"display_text": text, "text": text} for text in strings.EXAMPLES],
        elem_id="np-transcript",
    )
    notice = gr.HTML(elem_id="np-notice", apply_default_css=False)
    watch = watch_view()
    evidence = gr.HTML(elem_id="np-evidence", apply_default_css=False)
    obstacle = gr.HTML(elem_id="np-obstacle", apply_default_css=False)
    composer = _composer()
    return Chat(
        transcript=transcript,
        turn_actions=_turn_actions(),
        notice=notice,
        watch=watch,
        evidence=evidence,
        obstacle=obstacle,
        **composer,
    )


def _composer() -> dict[str, Any]:
    with gr.Row(elem_id="np-composer"):
        question = gr.Textbox(
            label=strings.QUESTION_LABEL,
            show_label=False,
            container=False,
            placeholder=strings.QUESTION_PLACEHOLDER,
            lines=1,
            max_lines=8,
            autofocus=True,
            scale=1,
            elem_id="np-question",
        )
        is_watched = gr.Checkbox(label=strings.WATCH, container=False, scale=0, elem_id="np-watched")
        send = gr.Button(strings.SEND, variant="primary", interactive=False, scale=0, elem_id="np-send")
        stop = gr.Button(strings.STOP, variant="stop", visible=False, scale=0, elem_id="np-stop")
    with gr.Row(elem_id="np-below"):
        gr.HTML(str(element("p", strings.KEYS_HINT, class_="np-hint")), apply_default_css=False)
        _place("np-meter")
        new_chat = gr.Button(strings.NEW_CHAT, size="sm", scale=0, elem_id="np-new")
    return {
        "question": question,
        "is_watched": is_watched,
        "send": send,
        "stop": stop,
        "new_chat": new_chat,
    }


def _turn_actions() -> gr.HTML:
    """Nothing to see: `static/page.js` puts the buttons at the turns and sends their clicks here.

    Copy must happen while the click lasts, so what it gives waits in the browser.
    """
    return gr.HTML(
        answers=[],
        html_template="<i></i>",
        js_on_load="""
        const keep = () => { element.answers = props.answers; };
        watch('answers', keep);
        keep();
        element.addEventListener('np-delete', (event) => trigger('delete_turn', event.detail));
        element.addEventListener('np-again', () => trigger('ask_again'));
        """,
        elem_id="np-turn-actions",
        apply_default_css=False,
    )


def _export(origin: gr.Textbox) -> Export:
    with gr.Tab(strings.TAB_CODE, elem_id="np-code") as tab:
        note = gr.HTML(elem_id="np-code-note", apply_default_css=False)
        listings = {}
        with gr.Tabs(elem_id="np-languages"):
            for language, name in strings.LANGUAGES.items():
                with gr.Tab(name):
                    listings[language] = gr.HTML(elem_id=f"np-code-{language}", apply_default_css=False)
    with gr.Tab(strings.TAB_RESPONSE, elem_id="np-raw"):
        none_yet = str(element("p", strings.RESPONSE_NONE, class_="np-lead"))
        response = gr.HTML(none_yet, elem_id="np-response", apply_default_css=False)
    return Export(tab=tab, note=note, listings=listings, response=response, origin=origin)
