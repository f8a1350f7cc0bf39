"""Tasks: every way to load one, the digits family, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from at2.errors import CorruptFileError, TaskError, UnknownNameError, UnsafePickleError
from at2.training import ImageTask, build_network, load_task, task_names
from at2.training.networks.registry import PUBLISHED_PATCH
from at2.training.tasks.digits import N_FEW

RNG = np.random.default_rng(0)


def _images(n: int = 20, size: int = 4) -> np.ndarray:
    return RNG.integers(0, 256, size=(n, size, size), dtype=np.uint8)


@pytest.mark.parametrize("name", task_names())
def test_the_digits_family(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    mean, std = task.train.images.mean(dim=(0, 2, 3)), task.train.images.std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros(task.channels), atol=1e-4, rtol=0)
    torch.testing.assert_close(std, torch.ones(task.channels), atol=1e-4, rtol=0)
    for split in (task.train, task.validation, task.test):
        assert set(split.labels.tolist()) == set(range(task.n_classes))
    n = task.facts["n_images"]
    if name != "digits-few":
        assert [len(task.train) / n, len(task.validation) / n] == pytest.approx([0.6, 0.2], abs=0.002)
    assert build_network("small-residual", channels=task.channels, size=task.size, n_classes=task.n_classes, seed=0)


def test_the_variants_differ_as_they_say() -> None:
    tasks = {name: load_task(name) for name in task_names()}
    assert len(tasks) >= 8
    assert len({task.digest for task in tasks.values()}) == len(tasks)
    assert len(tasks["digits-few"].train) == N_FEW
    assert tasks["digits-low"].n_classes == tasks["digits-high"].n_classes == 5
    assert tasks["digits-low"].facts["n_images"] + tasks["digits-high"].facts["n_images"] == 1797
    assert (tasks["digits32"].channels, tasks["digits32"].size) == (3, 32)
    plain, shuffled = tasks["digits"].train.images[0].flatten(), tasks["digits-shuffled"].train.images[0].flatten()
    torch.testing.assert_close(plain.sort().values, shuffled.sort().values)
    assert not torch.equal(plain, shuffled)
    for name in PUBLISHED_PATCH:
        assert build_network(name, channels=3, size=32, n_classes=10, seed=0)


def test_the_seed_decides_the_split() -> None:
    assert load_task("digits", seed=1).digest == load_task("digits", seed=1).digest != load_task("digits").digest


def test_arrays_with_and_without_channels() -> None:
    images, labels = _images(), np.arange(20) % 3
    grey = ImageTask.from_arrays(images, labels, name="grey")
    assert (grey.channels, grey.n_classes, len(grey.train), len(grey.validation), len(grey.test)) == (1, 3, 12, 4, 4)
    colour = ImageTask.from_arrays(np.stack([images] * 3, axis=3), labels.tolist(), name="colour")
    torch.testing.assert_close(colour.train.images[:, 1:2], grey.train.images)
    assert torch.equal(colour.test.labels, grey.test.labels)
    constant = ImageTask.from_arrays(np.zeros((20, 4, 4)), labels, name="constant")
    assert float(constant.train.images.abs().max()) == 0


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (_images(), np.zeros(20, dtype=int), "at least two classes are wanted, all 20 images are of one"),
        (_images(), np.arange(20) - 1, "label -1 of image 0 is out of range; labels lie from 0 on"),
        (_images(), np.arange(19), "20 images need as many labels"),
        (_images(), np.linspace(0, 1, 20), "labels are whole numbers from 0, got float64"),
        ([np.zeros((4, 4)), np.zeros((5, 5))], [0, 1], "all images must be of one size"),
        (np.zeros((20, 4, 5)), np.arange(20) % 2, "images of shape .* wanted, got \\(20, 4, 5\\)"),
        (np.zeros((20, 4, 4, 2)), np.arange(20) % 2, "images of shape .* wanted"),
        (np.full((20, 4, 4), np.nan), np.arange(20) % 2, "image 0 holds a pixel that is not finite"),
        ([["a"]], [0], "images must be arrays of numbers"),
        (_images(2), [0, 1], "the (validation|test) split has 0 images"),
    ],
)
def test_arrays_that_make_no_task(images: Any, labels: Any, said: str) -> None:
    with pytest.raises(TaskError, match=f"task 'mine': .*{said}"):
        ImageTask.from_arrays(images, labels, name="mine")


def test_labels_beyond_the_number_of_classes() -> None:
    with pytest.raises(TaskError, match="label 2 of image 2 is out of range; labels lie in 0 to 1"):
        ImageTask.from_arrays(_images(), np.arange(20) % 3, name="mine", n_classes=2)
    with pytest.raises(TaskError, match="fractions are three positive shares"):
        ImageTask.from_arrays(_images(), np.arange(20) % 3, name="mine", fractions=(0.5, 0.5, 0.5))


def test_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, images=_images(), labels=np.arange(20) % 2)
    assert load_task(path).name == "mine"
    np.savez(path, images=_images())
    with pytest.raises(
        CorruptFileError, match=r"mine\.npz: arrays 'images' and 'labels' wanted, it holds \['images'\]"
    ):
        load_task(path)
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CorruptFileError, match=r"mine\.npz: not a whole \.npz file"):
        load_task(path)
    np.savez(path, images=np.array([object()]), labels=np.arange(1))
    with pytest.raises(CorruptFileError, match="not a whole"):
        load_task(path)


def _write_image(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_folder_of_images_for_each_class(tmp_path: Path) -> None:
    folder = tmp_path / "animals"
    for number in range(8):
        _write_image(folder / "cats" / f"{number}.png", _images(1)[0])
        _write_image(folder / "dogs" / f"{number}.png", _images(1)[0])
    (folder / "dogs" / "notes.txt").write_text("not an image")
    task = load_task(folder)
    assert (task.name, task.n_classes, task.channels, task.facts["n_images"]) == ("animals", 2, 1, 16)
    _write_image(folder / "dogs" / "colour.png", np.zeros((4, 4, 3), dtype=np.uint8))
    assert load_task(folder).channels == 3
    _write_image(folder / "dogs" / "large.png", np.zeros((5, 6), dtype=np.uint8))
    with pytest.raises(TaskError, match=r"large\.png: the image is 6 x 5 pixels, .*0\.png is 4 x 4"):
        load_task(folder)
    (folder / "dogs" / "large.png").write_bytes(b"no image")
    with pytest.raises(CorruptFileError, match=r"large\.png: cannot be read as an image"):
        load_task(folder)


def test_a_folder_of_one_class(tmp_path: Path) -> None:
    _write_image(tmp_path / "cats" / "1.png", _images(1)[0])
    with pytest.raises(TaskError, match="at least two classes wanted, found 1 images in 1 folders"):
        load_task(tmp_path)


def _cifar_batch(n: int) -> dict[bytes, Any]:
    return {b"data": RNG.integers(0, 256, size=(n, 3072), dtype=np.uint8), b"labels": [i % 10 for i in range(n)]}


def test_cifars_own_batches(tmp_path: Path) -> None:
    first = _cifar_batch(30)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(first, protocol=2))
    (tmp_path / "test_batch").write_bytes(pickle.dumps(_cifar_batch(10), protocol=2))
    task = load_task(tmp_path)
    assert (task.name, task.n_classes, task.channels, task.size, task.facts["n_images"]) == ("cifar10", 10, 3, 32, 40)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": [1, 2]}, protocol=2))
    with pytest.raises(CorruptFileError, match=r"data_batch_1: not a batch of CIFAR-10"):
        load_task(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(UnsafePickleError, match="data_batch_1: the pickle"):
        load_task(tmp_path)


def test_a_batch_as_python_2_wrote_it(tmp_path: Path) -> None:
    """Byte strings of Python 2, as in the published files: keys, pixels, and the name of numpy's old module."""
    n, pixels = 10, bytes(range(256)) * 120
    labels = b"](" + b"".join(b"K" + bytes([i]) for i in range(n)) + b"e"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01K\x0aM\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T"
        + len(pixels).to_bytes(4, "little")
        + pixels
        + b"tb"
    )
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u.")
    task = load_task(tmp_path)
    assert task.facts["n_images"] == n
    (tmp_path / "data_batch_1").write_bytes((tmp_path / "data_batch_1").read_bytes()[:-1])
    with pytest.raises(CorruptFileError, match="data_batch_1"):
        load_task(tmp_path)


def test_no_such_task() -> None:
    with pytest.raises(UnknownNameError, match=r"no task 'digits-hgih'; did you mean digits-high"):
        load_task("digits-hgih")
