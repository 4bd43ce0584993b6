"""What does the page say?

Every word that a visitor reads stands here, so that the page can be translated in one place.
"""

from collections.abc import Mapping

TITLE = "Nemotron Playground"
TAGLINE = "One endpoint. Every size, precision and decode mode, per request."

TAB_PLAYGROUND = "Playground"
TAB_SCORE = "Score"
TAB_MODELS = "Models"
TAB_KEYS = "Keys"
TAB_USAGE = "Usage"
TAB_CHAT = "Chat"
TAB_COMPARE = "Compare"
TAB_CODE = "Code"
TAB_RESPONSE = "Response"

# The state of the engine, in the pill of the header and beside Send.
STATES: Mapping[str, str] = {
    "ready": "Ready",
    "starting": "Loading",
    "failed": "Engine failed",
    "draining": "Shutting down",
    "unreachable": "Server unreachable",
    "signed-out": "Signed out",
}
STATE_OTHERWISE = "Not ready"
WAIT_STARTING = "The engine is still loading: {progress} Send wakes up as soon as it is ready."
WAIT_STARTING_SILENT = "The engine is still loading. Send wakes up as soon as it is ready."
WAIT_FAILED = (
    "The engine has failed: {progress} It is started again by itself; Send wakes up when it is back."
)
WAIT_UNREACHABLE = "The server does not answer. The page keeps asking and goes on by itself."
WAIT_SIGNED_OUT = "Sign in to ask a model. The button stands at the top of the page."
WAIT_NOT_SERVED = "{model} is not served here. The settings say what it needs and how to get it."
WAIT_NO_MODELS = "No model is served yet."

# The conversation.
TRANSCRIPT_LABEL = "Conversation"
QUESTION_LABEL = "Message"
QUESTION_PLACEHOLDER = "Ask something"
SEND = "Send"
STOP = "Stop"
NEW_CHAT = "New chat"
SETTINGS = "Settings"
EDIT_LABEL = "Edit the message"
REGENERATE = "Regenerate"
DELETE = "Delete this turn"
THEME = "Switch between light and dark"
KEYS_HINT = "Enter sends, Shift+Enter breaks the line, Esc stops"
WATCH = "Watch"
ON = "on"
OFF = "off"
THINKING_TITLE = "Thinking"
THOUGHT_TITLE = "Thought"
THOUGHT_FOR = "Thought for {tokens}, {time}"
THOUGHT_WITH = "{title}, with {size}"
NUM_TOKENS = "{number} tokens"
ONE_TOKEN = "1 token"
CALLS = "Calls {name}"
CALL_ARGUMENT = "Argument"
CALL_VALUE = "Value"
CALL_WITHOUT = "*No arguments.*"
STOPPED_EARLY = "*Stopped before the first token.*"
EMPTY_TITLE = "Ask a model, see how it answered"
EMPTY_TEXT = "Every answer comes with its timings, its forwards and the code that repeats it."
EXAMPLES: tuple[str, ...] = (
    "What is the capital of France?",
    "Name three uses of a paper clip, one line each.",
    "Write a Python function that reverses a string.",
    "Explain in two sentences why the sky is blue.",
)

# The knobs.
VARIANT_SECTION = "Variant"
MODEL_LABEL = "Model"
MODEL_NOT_SERVED = "{name} · not served"
KNOB_NAMES: Mapping[str, str] = {"size": "Size", "precision": "Precision", "decode": "Decode"}
KNOB_MEANINGS: Mapping[str, str] = {
    "handover": "Reading anew is exact; taking the state over is faster and approximate.",
    "drafting": "Linear takes a forward to draft and one to verify, quadratic does both in one.",
    "acceptance": "Match gives the autoregressive answer, rejection sampling its distribution.",
}
NOT_PUBLISHED: Mapping[str, str] = {
    "size": "{model} does not have this size",
    "precision": "{model} is not published in it",
    "decode": "{model} cannot decode this way",
}
NOT_SERVED = "published, but no engine here serves it"
NOT_TOGETHER = "not served with {other} {value}"
THINKING_LABEL = "Think before answering"
THINKING_SIZE = "Thinks with"
SAME_SIZE = "{size} itself"
NO_PAIR = "does not think for {size} here"
HANDOVER = "The answering size"
HANDOVERS: Mapping[str, str] = {"prefill": "reads it anew", "state": "takes the state over"}
BUDGET = "Thinking budget"
BUDGET_INFO = "Most tokens of thinking; empty sets no limit"

# The settings of the decode modes.
BLOCK_LENGTH = "Block length"
PACE = "Reveal"
PACES: Mapping[str, str] = {"threshold": "what is sure", "steps": "in so many steps"}
THRESHOLD = "Threshold"
THRESHOLD_INFO = "Confidence from which a token is revealed along with the surest one"
STEPS = "Steps"
STEPS_INFO = "Forwards for a block, each revealing an even share"
ORDER = "Order"
ORDERS: Mapping[str, str] = {"confidence": "surest first", "leftmost": "left to right"}
DRAFTING = "Drafting"
DRAFTINGS: Mapping[str, str] = {"linear": "linear", "quadratic": "quadratic"}
ACCEPTANCE = "Accept by"
ACCEPTANCES: Mapping[str, str] = {"match": "match", "rejection": "rejection sampling"}
PRICE = "A token counts as {weight} in your limits."
PRICE_MEANING = "Small, quantised and parallel variants count for less; the Usage page has every price"

SYSTEM_LABEL = "System prompt"
SYSTEM_PLACEHOLDER = "How the model should behave"

TOOLS = "Tools"
TOOLS_LABEL = "Functions that the model may call"
TOOLS_INFO = "A JSON list, as OpenAI's API takes it"
TOOLS_PLACEHOLDER = """\
[{"type": "function", "function": {
  "name": "get_weather",
  "parameters": {"type": "object",
    "properties": {"city": {"type": "string"}}}
}}]"""

# Sampling.
SAMPLING_SECTION = "Sampling"
TEMPERATURE = "Temperature"
TEMPERATURE_INFO = "0 takes the likeliest token"
TOP_P = "Top p"
TOP_P_INFO = "Keep the likeliest tokens that have this mass together"
TOP_K = "Top k"
TOP_K_INFO = "Keep so many tokens; 0 keeps all"
MIN_P = "Min p"
MIN_P_INFO = "Keep tokens at least this likely against the likeliest"
REPETITION = "Repetition penalty"
REPETITION_INFO = "1 does nothing"
PRESENCE = "Presence penalty"
PRESENCE_INFO = "0 does nothing"
FREQUENCY = "Frequency penalty"
FREQUENCY_INFO = "0 does nothing"
MAX_TOKENS = "Max tokens"
MAX_TOKENS_INFO = "The answer's longest length"
SEED_LABEL = "Seed"
SEED_INFO = "Empty draws a new one each time; the strip tells which"
STOP_LABEL = "Stop strings"
STOP_INFO = r"One a line; \n stands for a line break"
MORE_SAMPLING = "More sampling"
RESET = "Reset to recommended"
RECOMMENDED = "Recommended: {source}"

# The strip under the answer.
EVIDENCE_LABEL = "How the answer was made"
TTFT = "First token"
TTFT_MEANING = "Time from the request's arrival at the engine to its first token"
SPEED = "Tokens/s"
SPEED_MEANING = "Rate of the tokens after the first"
TOKENS_IN = "In"
TOKENS_IN_MEANING = "Tokens of the prompt, chat template included"
TOKENS_CACHED = "Cached"
TOKENS_CACHED_MEANING = "Tokens of the prompt that an earlier turn had left in the cache"
TOKENS_OUT = "Out"
TOKENS_OUT_MEANING = "Tokens of the answer"
FORWARDS = "Forwards"
FORWARDS_MEANING = "Runs of the network after the prefill, drafts and commits included"
TPF = "TPF"
TPF_MEANING = "Tokens per forward"
ACCEPTED = "Accepted"
ACCEPTED_MEANING = "Drafted tokens that stood when they were verified"
ACCEPTED_VALUE = "{share:.0%} of {drafted}"
PHASES: Mapping[str, str] = {"thinking": "Thinking", "answer": "Answer"}
PHASE_WITH = "{phase} ({size})"
PHASE_VALUE = "{tokens}, {time}"
PHASE_MEANING = "Tokens of this phase, and the time to its last from its own beginning"
VARIANT = "Variant"
VARIANT_MEANING = "The variant that really answered: model, size, precision, decode mode"
SEED = "Seed"
SEED_MEANING = "The same request with this seed gives the same tokens"
NOTICE = "Note"
NOTICE_MEANING = "What the variant lacks and had to do without; the answer is right all the same"
FINISH = "Ended"
FINISH_MEANING = "Why the answer ended"
FINISHES: Mapping[str, str] = {
    "stop": "by itself",
    "length": "at max tokens",
    "stopped": "by you",
    "tool_calls": "with a call",
}
RUNNING = "Answering with {variant}"

# Code.
CODE_LAST = "This code repeats the last answer: same variant, same sampling, same seed."
CODE_NEXT = "This is what Send would ask now. After an answer, the code that repeats it stands here."
RESPONSE_NONE = "The last answer's JSON stands here once there is one."
LANGUAGES: Mapping[str, str] = {
    "python": "Python",
    "bash": "curl",
    "javascript": "Node",
    "langchain": "LangChain",
    "json": "JSON",
}
COPY = "Copy"
COPIED = "Copied"

# Cards of models.
MODELS_INTRO = "Every model of the catalog. What is not served here says what it needs."
SERVED = "Served here"
NEEDS_MORE = "Not served here"
CARD_SIZES = "Sizes"
CARD_PRECISIONS = "Precisions"
CARD_DECODES = "Decode"
CARD_CONTEXT = "Context"
CARD_LICENSE = "Licence"
CARD_RELEASED = "Released"
CARD_ARCHITECTURE = "Architecture"
CARD_ENGINE = "Engine"
CARD_ACTIVE = "{number} active"
CARD_TOKENS = "{number} tokens"
CARD_LIMIT = "Limit on an {card}"
CARD_LIMIT_OF_ONE = "{rates} tokens/s for one request"
CARD_LIMIT_OF_MANY = "; {rates} for {batch} together"
CARD_LIMIT_SOURCE = ". Calculated from bytes and operations, not measured."
CARD_NEEDS = "What it needs"
CARD_OBTAIN = "How to get it"

# Failures: what happened, and the way out.
UNREACHABLE_TITLE = "The server did not answer"
UNREACHABLE_MESSAGE = "The connection to the API failed."
UNREACHABLE_WAY_OUT = "It may be starting again. Regenerate the answer in a moment."
TROUBLE_OTHERWISE = (
    "Something failed on the server",
    "Regenerate the answer; if it fails again, look at the server's log.",
)
NOBODY_TITLE = "Nobody is signed in"
NOBODY_MESSAGE = "This server answers people who have signed in."
NOBODY_WAY_OUT = "Sign in at the top of the page, then regenerate the answer."
UNIDENTIFIABLE_TITLE = "The server cannot tell who you are"
UNIDENTIFIABLE_WAY_OUT = "Regenerate the answer in a moment."
A_WHILE = "a while"
TROUBLES: Mapping[str, tuple[str, str]] = {
    "insufficient_quota": (
        "Today's tokens are used up",
        "Choose a variant that counts for less, or wait {time}.",
    ),
    "queue_full": ("Too many people ask at once", "Regenerate the answer in a moment."),
    "limits_unavailable": (
        "Limits cannot be checked right now",
        "Regenerate the answer in a moment.",
    ),
    "context_length_exceeded": (
        "The conversation is too long for this model",
        "Lower Max tokens, delete turns, or start a new chat.",
    ),
    "model_not_found": ("There is no such model", "Choose another model."),
    "model_not_served": (
        "This model is not served here",
        "Choose a model that is, or add an engine that serves it.",
    ),
    "unavailable_variant": (
        "This variant is not served here",
        "Choose another size, precision or decode mode.",
    ),
    "engine_starting": ("The engine is still loading", "Regenerate the answer when the state says Ready."),
    "engine_busy": (
        "The engine is busy",
        "Regenerate the answer in a moment.",
    ),
    "engine_failed": (
        "The engine broke while it answered",
        "It is started again by itself. Regenerate the answer when the state says Ready.",
    ),
}
TROUBLES_BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("The server refused a setting", "Change it as the message says, then regenerate the answer."),
    401: ("The server wants a key", "Sign in again."),
    413: ("The conversation is too large to send", "Delete turns, or start a new chat."),
    403: ("This is not allowed", "Choose another model, or ask whoever runs the server."),
    429: ("A limit is reached", "Wait {time}, then regenerate the answer."),
    503: ("The server cannot answer right now", "Regenerate the answer in a moment."),
    504: ("The engine said nothing for too long", "Regenerate the answer, or ask for fewer tokens."),
}
REQUEST_ID = "Request {id}"
MODELS_UNREADABLE = "The list of models could not be read"

# The page of scores.
SCORE = "Score"
SCORE_INTRO = (
    "A reward model reads a question with an answer and says how good the answer is. Its scores are an "
    "opinion, and compare answers to the same question only."
)
SCORE_MODEL = "Reward model"
SCORE_QUESTION = "Question"
SCORE_ANSWER = "Answer {number}"
SCORE_BEST = "highest"
SCORE_CAPTION = (
    "Attributes usually lie between 0 and 4, which is a full bar. The reward is their sum with NVIDIA's "
    "weights."
)
SCORE_MISSING = "Write the question and at least one answer to it."
SCORE_NONE = "No reward model is served here. The list of models says what each needs."
SCORE_FAILED = "The answers could not be scored."
SCORE_NAMES = {
    "helpfulness": "Helpfulness",
    "correctness": "Correctness",
    "coherence": "Coherence",
    "complexity": "Complexity",
    "verbosity": "Verbosity",
    "reward": "Reward",
}
