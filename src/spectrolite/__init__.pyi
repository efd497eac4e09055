from .bundles.exported_model import Exported as Exported
from .bundles.exported_model import open_exported as open_exported
from .bundles.loading import load_bundle as load_bundle
from .data.images import ImageSet as ImageSet
from .data.labels import Labels as Labels
from .data.scene import Scene as Scene
from .data.scene import SceneFile as SceneFile
from .data.scene import Window as Window
from .data.scene_sets import LabelSet as LabelSet
from .data.scene_sets import SceneSet as SceneSet
from .data.scene_sets import several as several
from .datasets.catalog import load as load
from .deploy.benchmark import benchmark as benchmark
from .deploy.benchmark_result import Benchmark as Benchmark
from .deploy.export import Export as Export
from .deploy.export import export as export
from .deploy.prune import Pruning as Pruning
from .deploy.prune import prune as prune
from .deploy.quantize import Quantization as Quantization
from .deploy.quantize import quantize as quantize
from .errors import SpectroliteError as SpectroliteError
from .evaluation.checkup import Checkup as Checkup
from .evaluation.image_report import ImageReport as ImageReport
from .evaluation.league_table import League as League
from .evaluation.network_checks import check_network as check_network
from .evaluation.reports import Report as Report
from .experiments.comparison import compare as compare
from .experiments.map_sample import sample as sample
from .experiments.repetition import Repetition as Repetition
from .experiments.repetition import repeat as repeat
from .experiments.scene_doctor import doctor as doctor
from .experiments.tour import demo as demo
from .experiments.training_runs import evaluate as evaluate
from .experiments.training_runs import report as report
from .experiments.training_runs import train as train
from .experiments.verification import Verification as Verification
from .experiments.verification import verify as verify
from .mapping.class_areas import Areas as Areas
from .mapping.class_areas import areas as areas
from .mapping.drawn_sample import DrawnSample as DrawnSample
from .mapping.image_inference import Predictions as Predictions
from .mapping.inference import classify as classify
from .mapping.large_maps import map_scene as map_scene
from .mapping.map_comparison import MapComparison as MapComparison
from .mapping.map_comparison import compare_maps as compare_maps
from .mapping.map_file import MapFile as MapFile
from .mapping.map_file import open_map as open_map
from .mapping.scene_map import SceneMap as SceneMap
from .mapping.several_maps import map_scenes as map_scenes
from .models import build_model as build_model
from .models.costs import Cost as Cost
from .models.costs import cost as cost
from .models.dense_form import dense as dense
from .models.explanations import explain as explain
from .products.info import SceneInfo as SceneInfo
from .products.info import scene_info as scene_info
from .products.scenes import open_scene as open_scene
from .products.scenes import read_scene as read_scene
from .readers import read_labels as read_labels
from .readers.images.folders import read_images as read_images
from .runs.run_folder import Run as Run
from .runs.run_folder import open_run as open_run
from .samples.split_image_set import ImageSplit as ImageSplit
from .samples.split_image_set import image_split as image_split
from .samples.split_image_set import split_images as split_images
from .samples.split_scene import Split as Split
from .samples.split_scene import split as split
from .training.recipes import read_recipe as read_recipe

__version__: str

__all__ = [
    "Areas",
    "Benchmark",
    "Checkup",
    "Cost",
    "DrawnSample",
    "Export",
    "Exported",
    "ImageReport",
    "ImageSet",
    "ImageSplit",
    "LabelSet",
    "Labels",
    "League",
    "MapComparison",
    "MapFile",
    "Predictions",
    "Pruning",
    "Quantization",
    "Repetition",
    "Report",
    "Run",
    "Scene",
    "SceneFile",
    "SceneInfo",
    "SceneMap",
    "SceneSet",
    "SpectroliteError",
    "Split",
    "Verification",
    "Window",
    "areas",
    "benchmark",
    "build_model",
    "check_network",
    "classify",
    "compare",
    "compare_maps",
    "cost",
    "demo",
    "dense",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "image_split",
    "load",
    "load_bundle",
    "map_scene",
    "map_scenes",
    "open_exported",
    "open_map",
    "open_run",
    "open_scene",
    "prune",
    "quantize",
    "read_images",
    "read_labels",
    "read_recipe",
    "read_scene",
    "repeat",
    "report",
    "sample",
    "scene_info",
    "several",
    "split",
    "split_images",
    "train",
    "verify",
]
