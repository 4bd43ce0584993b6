"""Which template writes the conversations of a folder?"""

from pathlib import Path
from shutil import copytree

from nemotron_backend.embedded.tokenization import Tokenization
from nemotron_backend.request import Conversation, Message

_HELLO = Conversation(messages=(Message(role="user", content="hi"),))


def test_a_checkpoint_s_own_template_comes_before_ours(tiny_checkpoint: Path, tmp_path: Path) -> None:
    own = Tokenization.read(tiny_checkpoint, "ours")
    assert "user\nhi" in own.decode(own.encode(_HELLO))
    bare = copytree(tiny_checkpoint, tmp_path / "bare")
    (bare / "tokenizer_config.json").write_text("{}", "utf-8")
    ours = Tokenization.read(bare, "ours")
    assert ours.decode(ours.encode(_HELLO)) == "ours"
