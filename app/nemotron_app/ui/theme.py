"""Which of the theme's colours, sizes and fonts does each of Gradio's variables take?

The tokens themselves, light and dark, stand in `static/theme.css`.
"""

from gradio.themes import Base

_SANS = ("Inter Variable", "system-ui", "sans-serif")
_MONO = ("JetBrains Mono Variable", "ui-monospace", "monospace")

_TOKENS = {
    "body_background_fill": "canvas",
    "body_text_color": "ink",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "surface",
    "background_fill_secondary": "sunken",
    "border_color_primary": "line",
    "border_color_accent": "accent-line",
    "border_color_accent_subdued": "accent-line",
    "color_accent_soft": "accent-soft",
    "link_text_color": "accent",
    "link_text_color_hover": "accent",
    "link_text_color_active": "accent",
    "link_text_color_visited": "accent",
    "block_background_fill": "surface",
    "block_border_color": "line",
    "block_label_background_fill": "surface",
    "block_label_text_color": "muted",
    "block_title_text_color": "ink",
    "block_info_text_color": "muted",
    "input_background_fill": "field",
    "input_background_fill_focus": "field",
    "input_border_color": "line-strong",
    "input_border_color_focus": "accent",
    "input_placeholder_color": "muted",
    "code_background_fill": "sunken",
    "error_background_fill": "danger-soft",
    "error_border_color": "danger",
    "error_text_color": "danger",
    "button_primary_background_fill": "accent-fill",
    "button_primary_background_fill_hover": "accent-fill-hover",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_primary_border_color": "accent-fill",
    "button_secondary_background_fill": "surface",
    "button_secondary_background_fill_hover": "sunken",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "button_primary_border_color_hover": "accent-fill-hover",
    "button_secondary_border_color": "line-strong",
    "button_secondary_border_color_hover": "line-strong",
    "checkbox_background_color": "field",
    "checkbox_background_color_selected": "accent-fill",
    "checkbox_border_color": "line-strong",
    "checkbox_border_color_selected": "accent-fill",
    "checkbox_label_background_fill": "surface",
    "checkbox_label_text_color": "ink",
    "slider_color": "accent-fill",
    "panel_background_fill": "surface",
    "accordion_text_color": "ink",
    "table_border_color": "line",
    "loader_color": "accent",
}

_SHAPES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_label_shadow": "none",
    "block_padding": "0px",
    "block_radius": "var(--np-radius)",
    "block_title_text_weight": "550",
    "block_title_text_size": "var(--np-text-sm)",
    "block_info_text_size": "var(--np-text-xs)",
    "container_radius": "var(--np-radius)",
    "form_gap_width": "0px",
    "layout_gap": "var(--np-space-4)",
    "input_border_width": "1px",
    "input_radius": "var(--np-radius-sm)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_padding": "var(--np-space-2) var(--np-space-3)",
    "input_text_size": "var(--np-text-md)",
    "button_large_radius": "var(--np-radius-sm)",
    "button_medium_radius": "var(--np-radius-sm)",
    "button_small_radius": "var(--np-radius-sm)",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "button_transition": "background-color 120ms ease, border-color 120ms ease",
}


class PlaygroundTheme(Base):
    """Gradio's widgets in the playground's own colours."""

    def __init__(self) -> None:
        super().__init__(font=_SANS, font_mono=_MONO)
        self.name = "playground"
        colours = {name: f"var(--np-{token})" for name, token in _TOKENS.items()}
        dark = {f"{name}_dark": colour for name, colour in colours.items()}
        super().set(color_accent="var(--np-accent)", **colours, **dark, **_SHAPES)
