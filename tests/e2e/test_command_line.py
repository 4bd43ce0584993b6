"""Does the program do what its commands say?"""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from nemotron_app import __version__

CHAT = "/v1/chat/completions"
SLOW = {
    "model": "echo",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
}
Launch = Callable[..., tuple["subprocess.Popen[str]", str]]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from nemotron_app.__main__ import main; sys.exit(main())"
    paths = [path for path in sys.path if path.endswith(("app", "backend", "kernels"))]
    environment = {"PYTHONPATH": ":".join(paths)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"{__version__}\n"


def test_the_models_are_a_table_of_what_runs_here_and_what_needs_a_gpu() -> None:
    told = run("models").stdout
    here, _, others = told.partition("Loads with --checkpoint FOLDER")
    loadable, _, gpu = others.partition("Needs a GPU")
    assert "smollm2-135m-instruct" in here
    assert "nemotron-labs-diffusion-8b " in loadable
    assert "nemotron-3-nano-30b-a3b " in loadable
    assert "nemotron-4-340b-instruct" in loadable
    assert "nemotron-labs-diffusion-vlm-8b" in gpu
    assert "GB" in gpu


@pytest.mark.parametrize("command", ["--version", "models"])
def test_quick_commands_import_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from nemotron_app.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'gradio', 'fastapi', 'pydantic'} & set(sys.modules), file=sys.stderr)"
    )
    paths = [path for path in sys.path if path.endswith(("app", "backend", "kernels"))]
    done = subprocess.run(
        [sys.executable, "-c", code, command],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(paths)},
        check=False,
        timeout=60,
    )
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--port", "many"), "port: "),
        (("--engine", "steam"), "engine: "),
        (("--config", "missing.toml"), "config: "),
        (("--host", "no.such.host.invalid"), "host: "),
    ],
)
def test_a_bad_value_stops_the_start_with_its_name(flags: tuple[str, ...], message: str) -> None:
    done = run("serve", *flags)
    assert done.returncode == 2
    assert done.stderr.startswith(f"nemotron-playground: {message}")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_named(echo_url: str) -> None:
    done = run("serve", "--engine", "echo", "--port", str(httpx.URL(echo_url).port))
    assert done.returncode == 2
    assert done.stderr.startswith("nemotron-playground: port: ")


def test_a_database_that_is_not_there_is_told_in_a_sentence(tmp_path: Path, free_port: int) -> None:
    nowhere = f"postgresql://nobody:secret@127.0.0.1:{free_port}/none"
    folder = ("--data-dir", str(tmp_path), "--engine", "echo", "--port", "0", "--page", "false")
    done = run("serve", "--database-url", nowhere, *folder)
    assert done.returncode == 2
    assert "nemotron-playground: database_url: cannot use the database" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_every_setting_is_a_flag_with_its_help() -> None:
    told = run("serve", "--help").stdout
    assert all(flag in told for flag in ("--config", "--host", "--port", "--engine", "--max-body-bytes"))


def test_settings_are_read_from_a_file(launch_playground: Launch, tmp_path: Path) -> None:
    file = tmp_path / "playground.toml"
    file.write_text('engine = "echo"\npage = false\nmax_choices = 2\n')
    _, url = launch_playground("--config", str(file))
    answer = httpx.post(f"{url}{CHAT}", json=SLOW | {"n": 3, "stream": False})
    assert answer.json()["error"]["message"] == "n must be 1 to 2, not 3"


def test_a_signal_drains_a_stream_before_the_end(launch_playground: Launch) -> None:
    process, url = launch_playground("--engine", "echo", "--echo-delay", "0.1", "--page", "false")
    body = SLOW | {"messages": [{"role": "user", "content": "this takes a while"}]}
    with httpx.Client(base_url=url) as client, client.stream("POST", CHAT, json=body) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        process.send_signal(signal.SIGTERM)
        while (ready := client.get("/v1/health/ready")).status_code == 200:
            pass
        assert ready.json()["state"] == "draining"
        assert client.post(CHAT, json=SLOW).status_code == 503
        rest = "".join(lines)
    assert '"finish_reason":"stop"' in rest
    assert rest.endswith("[DONE]")
    assert process.wait(timeout=30) == 0


def test_a_second_signal_ends_it_at_once(launch_playground: Launch) -> None:
    process, url = launch_playground("--engine", "echo", "--echo-delay", "0.1", "--page", "false")
    body = SLOW | {"messages": [{"role": "user", "content": "x" * 4000}], "max_tokens": 90}
    with httpx.Client(base_url=url) as client, client.stream("POST", CHAT, json=body) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        process.send_signal(signal.SIGTERM)
        while client.get("/v1/health/ready").status_code == 200:
            pass
        process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    assert process.wait(timeout=30) == 0
