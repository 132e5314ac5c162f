"""Write predictions in the layout that Cityscapes' evaluation server and scripts take.

``pixel-level/NAME_pred_labelIds.png`` holds label ids. ``instance-level/NAME_pred.txt`` has a line for each object: the
path of its mask, its label id and its score.
"""

from pathlib import Path

from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.outputs.cityscapes import object_masks, stored_ids, strange_classes
from equipoise.scenes.outputs.output import png
from equipoise.scenes.tasks import SemanticTask
from equipoise.scenes.tasks.together import LabelledScene

PIXELS, OBJECTS = "pixel-level", "instance-level"


class Submission:
    """Writes the predictions of a data set, image by image.

    Args:
        folder: where to write; it must be empty or missing, unless files may be overwritten.
        vocabulary: the classes of the data set.
        overwrite: whether files may be overwritten.

    Raises:
        RunError: the folder holds something.
        UsageError: a class is none of Cityscapes', or there are no classes.
    """

    def __init__(self, folder: Path, vocabulary: SceneVocabulary, *, overwrite: bool = False) -> None:
        self.folder = folder
        strange = strange_classes(vocabulary)
        if strange or not vocabulary.classes:
            raise UsageError(
                f"--save-predictions: expected classes of Cityscapes, found {strange[0] if strange else 'no classes'}: "
                "the layout has ids for those alone"
            )
        self.ids = stored_ids(vocabulary)
        try:
            if not overwrite and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise RunError(f"expected no files at {folder}, found some: choose another folder, or give --overwrite")
        except OSError as error:
            raise RunError(f"{folder}: expected a folder to write to, found: {error.strerror}") from None

    def __call__(self, scene: LabelledScene) -> None:
        """Write the predictions for one image."""
        name = scene.sample.name
        if any(letter.isspace() for letter in name) or ".." in Path(name).parts:
            raise DataError(f"--save-predictions: expected names without spaces, found {name!r}")
        classes = self.ids[scene.predictions[SemanticTask.name]]
        _write(self.folder / PIXELS / f"{name}_pred_labelIds.png", png(classes))
        if scene.grouping is not None:
            self._objects(name, scene)

    def _objects(self, name: str, scene: LabelledScene) -> None:
        assert scene.grouping is not None
        listed, lines = self.folder / OBJECTS / f"{name}_pred.txt", []
        up = "../" * name.count("/")
        for each in object_masks(scene.grouping.instance, scene.grouping.instances, scene.vocabulary):
            mask = f"masks/{name}_{each.id:04d}.png"
            _write(self.folder / OBJECTS / mask, each.png())
            lines.append(each.line(f"{up}{mask}"))
        _write(listed, "".join(lines).encode())


def expect_predicted(predicted: tuple[str, ...]) -> None:
    """Raise ``UsageError`` if no classes are evaluated."""
    if SemanticTask.name not in predicted:
        raise UsageError(
            f"--save-predictions: expected a model and labels of {SemanticTask.name}, found {', '.join(predicted)}"
        )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content, sync=False)
    except OSError as error:
        raise RunError(f"{path}: expected to write a prediction, found: {error.strerror or error}") from None
