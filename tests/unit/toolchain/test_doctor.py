from modelet.doctor import examine


def finding(name, **arguments):
    [found] = [one for one in examine(**arguments) if one.name == name]
    return found


def test_everything_a_command_needs_is_here():
    missing = [one for one in examine() if one.state == "missing"]
    assert missing == []


def test_what_is_there_has_no_remedy_and_what_is_not_has_one():
    for one in examine(environ={}, which=lambda name: None):
        assert bool(one.remedy) == (one.state != "ok"), one
        assert one.needed_for


def test_the_builder_is_the_first_that_answers():
    def builder(answering, environ=None, installed=("docker", "podman")):
        return finding(
            "container builder",
            environ=environ or {},
            which={tool: f"/usr/bin/{tool}" for tool in installed}.get,
            works=lambda path: path.rpartition("/")[2] in answering,
        )

    assert builder({"docker", "podman"}).found == "docker"
    assert builder({"podman"}).found == "podman"
    silent = builder(set())
    assert (silent.state, silent.found) == ("optional", "")
    assert silent.remedy == "start docker, podman, which is there and does not answer"
    assert builder(set(), installed=()).remedy.startswith("install docker, podman")
    assert builder({"docker"}, environ={"CDK_DOCKER": "finch"}).state == "optional"


def test_credentials_are_looked_for_and_not_read(tmp_path):
    assert finding("AWS credentials", environ={}, home=tmp_path).state == "optional"
    (tmp_path / ".aws").mkdir()
    secrets = tmp_path / ".aws" / "credentials"
    secrets.write_text("secret")
    secrets.chmod(0)
    assert finding("AWS credentials", environ={}, home=tmp_path).found == "~/.aws/credentials"
    found = finding("AWS credentials", environ={"AWS_ACCESS_KEY_ID": "AKIA7"}, home=tmp_path)
    assert "AKIA7" not in found.found
