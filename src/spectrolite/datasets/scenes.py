"""Public scenes that are downloaded: what is known of them without opening them.

Indian Pines, which comes with a package, stands in `catalog`. Ids are those of the files.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """What is known of a scene without opening it."""

    name: str
    title: str
    sensor: str
    shape: tuple[int, int, int]
    pixel_m: float
    counts: dict[str, int]  # class name to labelled pixels
    source: str
    licence: str
    obtained: str
    notes: str
    class_ids: tuple[int, ...] = ()  # where they are not 1, 2, 3 and so on

    @property
    def class_names(self) -> dict[int, str]:
        """Class id to name."""
        return dict(zip(self.class_ids or range(1, len(self.counts) + 1), self.counts, strict=True))

    @property
    def labelled(self) -> int:
        """Labelled pixels."""
        return sum(self.counts.values())

    @property
    def samples(self) -> str:
        """How much of it there is."""
        return f"{self.labelled:,} pixels"

    def facts(self) -> dict[str, str]:
        """What a reader wants to know, by title."""
        rows, cols, bands = self.shape
        return {
            "shape": f"{rows} rows, {cols} cols, {bands} bands, {self.pixel_m:g} m pixels",
            "sensor": self.sensor,
            "labelled": f"{self.labelled:,} of {rows * cols:,} pixels, {len(self.counts)} classes",
            "source": self.source,
            "licence": self.licence,
            "obtained from": self.obtained,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class RemoteFile:
    """A file of a scene.

    Attributes:
        name: what it is called, in a folder of one's own and on a mirror too.
        folder: where it lies below `UPV_URL`; empty where it cannot be downloaded from there.
        key: its array, where it has a name.
        sha256: of the published file, where it is known.
    """

    name: str
    folder: str = ""
    key: str | None = None
    sha256: str | None = None


UPV_URL = "https://www.ehu.eus/ccwintco/uploads/"

_UPV = "downloaded once from www.ehu.eus/ccwintco; or --root DIR, --mirror-url URL"
_SCENES = "UPV/EHU, Hyperspectral Remote Sensing Scenes"
_UNKNOWN_CUBE = (
    "No checksum of the cube is published: the first download is recorded and later ones are held "
    "against it."
)
_UNKNOWN_BOTH = (
    "No checksums are published: the first download is recorded and later ones are held against it."
)

PAVIA_UNIVERSITY = Dataset(
    name="pavia_university",
    title="Pavia University",
    sensor="ROSIS, northern Italy; 430 to 860 nm",
    shape=(610, 340, 103),
    pixel_m=1.3,
    counts={
        "Asphalt": 6631,
        "Meadows": 18649,
        "Gravel": 2099,
        "Trees": 3064,
        "Painted metal sheets": 1345,
        "Bare Soil": 5029,
        "Bitumen": 1330,
        "Self-Blocking Bricks": 3682,
        "Shadows": 947,
    },
    source=f"Gamba, Pavia University; {_SCENES}",
    licence="none stated",
    obtained=_UPV,
    notes="A classifier that sees only (row, column) reaches 98.9 % under a random split of 10 %. "
    f"The file names no wavelengths. {_UNKNOWN_CUBE}",
)

PAVIA_CENTRE = Dataset(
    name="pavia_centre",
    title="Pavia Centre",
    sensor="ROSIS, northern Italy; 430 to 860 nm",
    shape=(1096, 715, 102),
    pixel_m=1.3,
    counts={
        "Water": 65971,
        "Trees": 7598,
        "Asphalt": 3090,
        "Self-Blocking Bricks": 2685,
        "Bitumen": 6584,
        "Tiles": 9248,
        "Shadows": 7287,
        "Meadows": 42826,
        "Bare Soil": 2863,
    },
    source=f"Gamba, Pavia University; {_SCENES}",
    licence="none stated",
    obtained=_UPV,
    notes="Sources disagree on the names: these are UPV/EHU's; others call classes 3 and 5 to 9 "
    "meadows, bare soil, asphalt, bitumen, tiles, shadows. Ids and counts are the same. Columns "
    "without information were cut out of the middle, so pixels that touch there are no neighbours "
    f"on the ground. {_UNKNOWN_BOTH}",
)

SALINAS = Dataset(
    name="salinas",
    title="Salinas, water absorption bands removed",
    sensor="AVIRIS, 1998, Salinas Valley, California; 400 to 2500 nm",
    shape=(512, 217, 204),
    pixel_m=3.7,
    counts={
        "Brocoli_green_weeds_1": 2009,
        "Brocoli_green_weeds_2": 3726,
        "Fallow": 1976,
        "Fallow_rough_plow": 1394,
        "Fallow_smooth": 2678,
        "Stubble": 3959,
        "Celery": 3579,
        "Grapes_untrained": 11271,
        "Soil_vinyard_develop": 6203,
        "Corn_senesced_green_weeds": 3278,
        "Lettuce_romaine_4wk": 1068,
        "Lettuce_romaine_5wk": 1927,
        "Lettuce_romaine_6wk": 916,
        "Lettuce_romaine_7wk": 1070,
        "Vinyard_untrained": 7268,
        "Vinyard_vertical_trellis": 1807,
    },
    source=_SCENES,
    licence="none stated",
    obtained=_UPV,
    notes="A classifier that sees only (row, column) reaches 99.8 % under a random split of 10 %. "
    f"Names are spelt as in the source. The file names no wavelengths. {_UNKNOWN_CUBE}",
)

SALINAS_A = Dataset(
    name="salinas_a",
    title="Salinas-A, a small part of Salinas",
    sensor="AVIRIS, 1998, Salinas Valley, California; 400 to 2500 nm",
    shape=(83, 86, 204),
    pixel_m=3.7,
    counts={
        "Brocoli_green_weeds_1": 391,
        "Corn_senesced_green_weeds": 1343,
        "Lettuce_romaine_4wk": 616,
        "Lettuce_romaine_5wk": 1525,
        "Lettuce_romaine_6wk": 674,
        "Lettuce_romaine_7wk": 799,
    },
    source=_SCENES,
    licence="none stated",
    obtained=_UPV,
    notes="The file has the ids of Salinas, 1 and 10 to 14, and so do maps; some sources number "
    f"them 1 to 6. {_UNKNOWN_BOTH}",
    class_ids=(1, 10, 11, 12, 13, 14),
)

KSC = Dataset(
    name="ksc",
    title="Kennedy Space Center, water absorption bands removed",
    sensor="AVIRIS, 23 March 1996, Florida; 400 to 2500 nm",
    shape=(512, 614, 176),
    pixel_m=18.0,
    counts={
        "Scrub": 761,
        "Willow swamp": 243,
        "Cabbage palm hammock": 256,
        "Cabbage palm/oak hammock": 252,
        "Slash pine": 161,
        "Oak/broadleaf hammock": 229,
        "Hardwood swamp": 105,
        "Graminoid marsh": 431,
        "Spartina marsh": 520,
        "Cattail marsh": 404,
        "Salt marsh": 419,
        "Mud flats": 503,
        "Water": 927,
    },
    source=f"Crawford, University of Texas at Austin; {_SCENES}",
    licence="none stated",
    obtained=_UPV,
    notes="Sources disagree on the names of classes 2 to 7; ids and counts are the same. "
    f"{_UNKNOWN_BOTH}",
)

BOTSWANA = Dataset(
    name="botswana",
    title="Botswana, Okavango Delta, noisy and water absorption bands removed",
    sensor="Hyperion on EO-1, 31 May 2001; 400 to 2500 nm",
    shape=(1476, 256, 145),
    pixel_m=30.0,
    counts={
        "Water": 270,
        "Hippo grass": 101,
        "Floodplain grasses 1": 251,
        "Floodplain grasses 2": 215,
        "Reeds": 269,
        "Riparian": 269,
        "Firescar": 259,
        "Island interior": 203,
        "Acacia woodlands": 314,
        "Acacia shrublands": 248,
        "Acacia grasslands": 305,
        "Short mopane": 181,
        "Mixed mopane": 268,
        "Exposed soils": 95,
    },
    source=f"Crawford, University of Texas at Austin; {_SCENES}",
    licence="none stated",
    obtained=_UPV,
    notes=_UNKNOWN_BOTH,
)

HOUSTON_2013 = Dataset(
    name="houston_2013",
    title="Houston 2013, data fusion contest of the IEEE GRSS",
    sensor="CASI-1500, June 2012, University of Houston; 380 to 1050 nm",
    shape=(349, 1905, 144),
    pixel_m=2.5,
    counts={
        "Healthy grass": 1251,
        "Stressed grass": 1254,
        "Synthetic grass": 697,
        "Trees": 1244,
        "Soil": 1242,
        "Water": 325,
        "Residential": 1268,
        "Commercial": 1244,
        "Road": 1252,
        "Highway": 1227,
        "Railway": 1235,
        "Parking lot 1": 1233,
        "Parking lot 2": 469,
        "Tennis court": 428,
        "Running track": 660,
    },
    source="Debes et al. 2014, IEEE JSTARS 7(6), doi:10.1109/JSTARS.2014.2305441",
    licence="that of the contest, which asks for a registration",
    obtained="not downloaded: --root DIR with the contest's scene, and its labels as one map",
    notes="The one of these with an official spatial split: 2,832 training and 12,197 test pixels. "
    "Keep the two as label maps and take --split given,train=FILE,test=FILE.",
)

DOWNLOADED = {
    d.name: d
    for d in (
        PAVIA_UNIVERSITY,
        PAVIA_CENTRE,
        SALINAS,
        SALINAS_A,
        KSC,
        BOTSWANA,
        HOUSTON_2013,
    )
}

FILES = {  # the scene and its labels
    "pavia_university": (
        RemoteFile("PaviaU.mat", "e/ee/", "paviaU"),
        RemoteFile(
            "PaviaU_gt.mat",
            "5/50/",
            "paviaU_gt",
            "23f6a426928f9b32984adffe659e29f554f9fb6c93b5a107528d308d5087a829",
        ),
    ),
    "pavia_centre": (
        RemoteFile("Pavia.mat", "e/e3/", "pavia"),
        RemoteFile("Pavia_gt.mat", "5/53/", "pavia_gt"),
    ),
    "salinas": (
        RemoteFile("Salinas_corrected.mat", "a/a3/", "salinas_corrected"),
        RemoteFile(
            "Salinas_gt.mat",
            "f/fa/",
            "salinas_gt",
            "ecfab4d31ef5553f097943235d8ea502038eb4a2067b2ad10b33e37c949955e2",
        ),
    ),
    "salinas_a": (
        RemoteFile("SalinasA_corrected.mat", "1/1a/", "salinasA_corrected"),
        RemoteFile("SalinasA_gt.mat", "a/aa/", "salinasA_gt"),
    ),
    "ksc": (RemoteFile("KSC.mat", "2/26/", "KSC"), RemoteFile("KSC_gt.mat", "a/a6/", "KSC_gt")),
    "botswana": (
        RemoteFile("Botswana.mat", "7/72/", "Botswana"),
        RemoteFile("Botswana_gt.mat", "5/58/", "Botswana_gt"),
    ),
    "houston_2013": (
        RemoteFile("2013_IEEE_GRSS_DF_Contest_CASI.tif"),
        RemoteFile("Houston_2013_gt.npy"),
    ),
}
