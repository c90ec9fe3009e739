import pytest

from headrace.local.home import claimed
from headrace.local.parts import Part, ProducersPart, Stack, chosen, other_state, start
from headrace.local.processes import Child, Supervisor
from headrace.local.s3 import LocalS3
from streaming.errors import WrongUsage
from streaming.settings import Kafka, Settings


@pytest.fixture
def stack(tmp_path):
    return Stack(
        home=tmp_path,
        settings=Settings(),
        kafka=Kafka(),
        kafka_given=False,
        use_cases=[],
        topics=[],
        simulators=[],
        rate="max",
        supervisor=Supervisor(),
        say=lambda sentence: None,
    )


class Slow(Part):
    """Answers when it was asked three times."""

    name = "slow"

    def __init__(self, order):
        self.order, self.asked = order, 0

    def start(self, stack):
        self.order.append("slow starts")

    def answers(self, stack):
        self.asked += 1
        if self.asked == 3:
            self.order.append("slow answers")
        return self.asked >= 3


class Needy(Part):
    name = "needy"
    needs = ("slow",)
    after = ("nobody",)

    def __init__(self, order):
        self.order = order

    def start(self, stack):
        self.order.append("needy starts")


EVERY = ["kafka", "valkey", "mlflow", "trainers", "api", "producers", "archive", "prometheus"]


def names(parts):
    return [part.name for part in parts]


def test_every_part_but_s3_is_chosen_without_only():
    assert names(chosen(None)) == EVERY


def test_s3_comes_first_when_it_is_wanted():
    assert names(chosen(None, s3=True)) == ["s3", *EVERY]
    assert names(chosen("archive", s3=True)) == ["s3", "kafka", "archive"]
    assert names(chosen("s3")) == ["s3"]


def test_s3_beside_a_store_that_the_user_has_set_is_wrong_usage(stack):
    stack.settings = Settings(store="s3://elsewhere/store")
    (s3,) = chosen("s3")
    with pytest.raises(WrongUsage, match="HEADRACE_STORE is s3://elsewhere/store: unset it"):
        s3.start(stack)


def test_a_part_brings_those_that_it_needs():
    assert [part.name for part in chosen("trainers")] == ["kafka", "trainers"]


@pytest.mark.parametrize(
    ("only", "sentence"), [("mlfow", "unknown part 'mlfow'; there are s3, kafka"), (" , ", "no part")]
)
def test_a_wrong_part_is_wrong_usage(only, sentence):
    with pytest.raises(WrongUsage, match=sentence):
        chosen(only)


def test_a_part_starts_when_those_that_it_needs_answer(stack):
    order: list[str] = []
    start([Slow(order), Needy(order)], stack)
    assert order == ["slow starts", "slow answers", "needy starts"]


def test_a_kafka_that_the_user_has_set_is_used_and_none_started(stack, tmp_path):
    stack.kafka, stack.kafka_given = Kafka(bootstrap_servers="elsewhere:9092"), True
    (kafka,) = chosen("kafka")
    with claimed(tmp_path):
        kafka.start(stack)
    assert stack.addresses == {"kafka": "elsewhere:9092"}
    assert stack.environment == {}
    assert stack.supervisor.states() == {}


def test_a_folder_that_has_learned_in_the_other_kind_of_store_says_so(stack):
    """Kafka's data is shared by both, what was learned is not."""
    (stack.home / "s3" / "data").mkdir(parents=True)
    assert "runs with --s3" in (other_state(stack) or "")
    stack.s3 = LocalS3(stack.home)
    assert other_state(stack) is None
    (stack.home / "store" / "checkpoints").mkdir(parents=True)
    assert "runs without --s3" in (other_state(stack) or "")


def test_a_store_that_is_set_is_nobody_elses_business(stack):
    (stack.home / "s3" / "data").mkdir(parents=True)
    stack.settings = Settings(store="file:///elsewhere")
    assert other_state(stack) is None


def test_the_polls_of_the_setting_run_beside_the_simulators(stack, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    started: list[Child] = []
    monkeypatch.setattr(stack.supervisor, "start", started.extend)
    stack.simulators, stack.settings = ["market"], Settings(poll="candles.toml, /etc/cards.toml")
    ProducersPart().start(stack)
    assert [(child.name, *child._command[4:]) for child in started] == [
        ("produce market", "produce", "market", "--rate", "max"),
        ("poll candles", "produce", "--poll", str(tmp_path / "candles.toml")),
        ("poll cards", "produce", "--poll", "/etc/cards.toml"),
    ]
