"""Fixtures that many tests share."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import socket

import pytest
from hypothesis import settings

# A slow machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Threads that wait for each other by spinning crawl where browsers and servers share their cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# There is no GPU here. Triton reads this when it is imported, by whichever test comes first.
os.environ["TRITON_INTERPRET"] = "1"

_ROOT = Path(__file__).parents[1]
_CONTEXT = 256
_END = "<|im_end|>"
_SPECIAL = ("<|endoftext|>", "<|im_start|>", _END)
# ChatML as SmolLM2 has it, which also refuses roles that it was not trained on.
_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'tool' %}{{ raise_exception('this template knows no tools') }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LaunchRedis = Callable[..., "subprocess.Popen[str]"]
LaunchPlayground = Callable[..., tuple["subprocess.Popen[str]", str]]


def _free_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _launch_redis(port: int, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ready to accept connections" in line:
            return process
    raise RuntimeError(f"redis-server did not start:\n{''.join(lines)}")


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    return _free_port()


@pytest.fixture
def launch_redis(tmp_path: Path) -> Iterator[LaunchRedis]:
    """Start a Redis server of one's own: `launch_redis(port, *options)` returns once it takes connections."""
    with ExitStack() as stack:

        def launch(port: int, *options: str) -> "subprocess.Popen[str]":
            process = _launch_redis(port, tmp_path, *options)
            stack.callback(_end, process)
            return process

        yield launch


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server that tests share; each takes names of its own, and none may flush or stop it."""
    port = _free_port()
    process = _launch_redis(port, tmp_path_factory.mktemp("redis"))
    yield f"redis://127.0.0.1:{port}"
    _end(process)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, without a database's name."""
    folder = Path(tempfile.mkdtemp(prefix="nemotron-postgres-"))
    cluster, port = folder / "data", _free_port()
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    _postgres("initdb", "-D", str(cluster), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
    with (cluster / "postgresql.conf").open("a") as config:
        config.write("fsync = off\n")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    _postgres("pg_ctl", "-D", str(cluster), "-l", str(folder / "log"), "-w", "-o", options, "start")
    yield f"postgresql://tester@127.0.0.1:{port}"
    _postgres("pg_ctl", "-D", str(cluster), "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def _postgres(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to run as root."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = str(installed[-1]) if installed else program
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, path, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama network of a few thousand weights, with a byte-level tokenizer and a chat template."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    _save_tokenizer(folder)
    _save_network(folder)
    return folder


def _save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["the quick brown fox jumps over the lazy dog, again and again"] * 4, trainer
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"eos_token": _END, "bos_token": "<|im_start|>", "chat_template": _TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def _save_network(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=2,
        bos_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LlamaForCausalLM(config)
        # Wider than the usual start, so that its choices are far apart and depend on what came before.
        for parameter in network.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.3)
    network.bfloat16().save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_reward_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random reward network of nine outputs, with the same tokenizer and chat template."""
    import torch
    from transformers import NemotronForSequenceClassification

    from nemotron_backend.recipes.reward.network import create

    folder = tmp_path_factory.mktemp("tiny-reward")
    _save_tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network: NemotronForSequenceClassification = create(
            vocab_size=320,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            head_dim=16,
            max_position_embeddings=_CONTEXT,
        )
        for parameter in network.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.2)
    network.bfloat16().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def smollm2_checkpoint() -> Path:
    """The real SmolLM2, prepared once in the user's cache."""
    from nemotron_backend.smollm2 import default_cache_folder, prepare

    return prepare(default_cache_folder(), lambda sentence, fraction: None)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEMOTRON_PLAYGROUND_")}
    roots = os.pathsep.join(str(_ROOT / name) for name in ("app", "backend", "kernels"))
    return own | {"PYTHONPATH": roots}


def _launch_playground(folder: Path, log: Path, *flags: str) -> tuple["subprocess.Popen[str]", str]:
    """A server on a free port, and its address, once it listens."""
    own = ["--port", "0", "--data-dir", str(folder)]
    command = [sys.executable, "-m", "nemotron_app", "serve", *own, *flags]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=file, text=True
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Nemotron Playground is at http://"), f"no start: {line!r} {log.read_text()}"
    return process, line.split()[-1]


@pytest.fixture(scope="session")
def launch_playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaunchPlayground]:
    """Start a server of one's own: `launch_playground(*flags)` returns its process and its address.

    Its log goes to the file `log` if there is one.
    """
    with ExitStack() as stack:

        def launch(*flags: str, log: Path | None = None) -> tuple["subprocess.Popen[str]", str]:
            folder = tmp_path_factory.mktemp("playground")
            process, url = _launch_playground(folder, log or folder / "log", *flags)
            stack.callback(_end, process)
            return process, url

        yield launch


@pytest.fixture(scope="session")
def echo_url(launch_playground: LaunchPlayground) -> str:
    """The API's address of a server that echoes; tests share it."""
    _, url = launch_playground("--engine", "echo", "--page", "false")
    return f"{url}/v1"
