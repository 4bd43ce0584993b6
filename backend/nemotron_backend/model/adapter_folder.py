"""Where in a checkpoint's folder does its draft adapter lie? The release calls it so."""

FOLDER = "linear_spec_lora"
