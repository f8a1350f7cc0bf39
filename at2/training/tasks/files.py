"""Tasks from files: arrays in an .npz, a folder of images for each class, and CIFAR-10's python batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from at2.errors import CorruptFileError, FileError, MissingExtraError, TaskError
from at2.tables.published.unpickle import load_plain
from at2.training.tasks.image_task import ImageTask

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_CIFAR_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_CIFAR_SHAPE = (3, 32, 32)


def npz_task(path: Path, *, seed: int = 0) -> ImageTask:
    """Read a task from the arrays ``images`` and ``labels`` of an .npz file; see `ImageTask.from_arrays`.

    Raises:
        FileError: If the file cannot be read.
        CorruptFileError: If it is no .npz, or lacks an array.
        TaskError: If the arrays make no task.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = {"images", "labels"} - set(arrays)
            if missing:
                raise CorruptFileError(
                    f"{path}: arrays 'images' and 'labels' wanted, it holds {sorted(arrays)}", path=path
                )
            images, labels = arrays["images"], arrays["labels"]
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the path", path=path) from error
    except Exception as error:  # a damaged zip fails as BadZipFile, ValueError, EOFError, zlib.error, ...
        raise CorruptFileError(f"{path}: not a whole .npz file ({error}); write it again", path=path) from error
    return ImageTask.from_arrays(images, labels, name=path.stem, seed=seed)


def folder_task(path: Path, *, seed: int = 0) -> ImageTask:
    """Read a task from a folder that holds one folder of images for each class.

    Classes are numbered in the order of their folders' names. Images are read as grey if all are, else as colour.

    Raises:
        TaskError: If there are fewer than two classes, or the images differ in size.
        CorruptFileError: If an image cannot be read; the message names it.
        MissingExtraError: If Pillow is not installed.
    """
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [(file, label) for label, folder in enumerate(folders) for file in _image_files(folder)]
    if len({label for _, label in files}) < 2:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise TaskError(
            f"{path}: one folder of images ({kinds}) for each of at least two classes wanted, found "
            f"{len(files)} images in {len(folders)} folders"
        )
    images = [_read_image(file) for file, _ in files]
    for (file, _), image in zip(files, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            raise TaskError(
                f"{file}: the image is {image.shape[1]} x {image.shape[0]} pixels, {files[0][0]} is "
                f"{images[0].shape[1]} x {images[0].shape[0]}; resize all images of a task to one size"
            )
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    labels = np.array([label for _, label in files])
    return ImageTask.from_arrays(np.stack(images), labels, name=path.name, seed=seed, n_classes=len(folders))


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)


def _read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Return an image, shape (height, width) if it is grey, else (height, width, 3)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("folders of images need Pillow, which is not installed: pip install pillow") from error
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    except Exception as error:  # Pillow's decoders fail in many ways
        message = f"{path}: cannot be read as an image ({error}); repair it or take it out of the folder"
        raise CorruptFileError(message, path=path) from error


def is_cifar_folder(path: Path) -> bool:
    """Say whether a folder holds CIFAR-10's python batches."""
    return (path / _CIFAR_BATCHES[0]).is_file()


def cifar_task(path: Path, *, seed: int = 0) -> ImageTask:
    """Read CIFAR-10's python batches, as they are published, without running anything in the pickles.

    All batches that are there, the published test batch too, are put together and split anew, as in HyperRec.

    Raises:
        FileError: If a batch cannot be read.
        CorruptFileError: If one is not a whole batch.
        UnsafePickleError: If one holds anything but plain data.

    References:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; www.cs.toronto.edu/~kriz/cifar.html.
    """
    parts = [_cifar_batch(path / name) for name in _CIFAR_BATCHES if (path / name).is_file()]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return ImageTask.from_arrays(images, labels, name="cifar10", seed=seed, n_classes=10)


def _cifar_batch(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images (n, 32, 32, 3) and labels (n,) of one batch."""
    batch: Any = load_plain(path)
    if isinstance(batch, dict):
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    try:
        images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, *_CIFAR_SHAPE)
        labels = np.asarray(batch["labels"], dtype=np.int64)
        if len(labels) != len(images):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
    except (TypeError, ValueError, LookupError) as error:
        raise CorruptFileError(
            f"{path}: not a batch of CIFAR-10, which has 'data' of 3,072 bytes an image and 'labels' ({error}); "
            "take the files of cifar-10-python.tar.gz",
            path=path,
        ) from error
    return images.transpose(0, 2, 3, 1), labels
