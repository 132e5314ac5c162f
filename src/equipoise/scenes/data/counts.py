"""Count one image and its labels for the report of its split."""

from equipoise.errors import DataError
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.io.images import broken_png
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import LabelledImage
from equipoise.scenes.labels.split_report import SplitReport


def counts(dataset: FileDataset, index: int) -> SplitReport:
    """Read an image with all its labels, and return a report with its counts and mistakes."""
    report = SplitReport(images=1)
    try:
        files = dataset.files(index)
        report.missing.update(set(dataset.vocabulary.labels) - files.keys())
        sample = dataset[index]
        camera = dataset.camera(index)
    except DataError as error:
        report.faults.append(str(error))
        return report
    report.readable = 1
    report.blind += [str(files["image"])] * (camera is None)
    report.sizes[f"{sample.size[1]}x{sample.size[0]}"] = 1
    report.labels.update(sample.labels.keys())
    image = LabelledImage(labels=sample.labels, files=files, vocabulary=dataset.vocabulary, readers=dataset.readers)
    report.faults += filter(None, [broken_png(files["image"])])
    unused = {files[name]: image.readers[name].unused(files[name]) for name in sample.labels}
    report.unused += [f"{path} ({found})" for path, found in unused.items() if found]
    for name in sample.labels:
        LABELS[name].count(report, image)
        report.faults += LABELS[name].faults(image)
    return report
