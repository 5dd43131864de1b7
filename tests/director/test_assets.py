"""Style sheets and scripts as browsers get them: collected under names that may be kept for good."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import Client, override_settings

pytestmark = pytest.mark.django_db
ADDRESS = re.compile(r"""(?:href|src)="(/static/[^"]+)""")


@pytest.fixture
def collected(tmp_path: Path):
    storages = {"staticfiles": {"BACKEND": "director.assets.HashedAssets"}}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)
        staticfiles_storage._setup()  # read the names again
        yield tmp_path
    staticfiles_storage._setup()


def test_collected_files_have_hashed_names_and_are_kept_for_good(collected: Path):
    addresses = ADDRESS.findall(render_to_string("base.html"))

    assert len(addresses) > 5
    for address in addresses:
        answer = Client().get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"
        answer.close()


def test_a_module_imports_the_hashed_names_of_others_and_is_there_compressed(collected: Path):
    (app,) = (collected / "js").glob("app.????????????.js")

    imported = re.findall(r'import\s*"\./([^"]+)"', app.read_text())

    assert imported
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", name) and (collected / "js" / name).is_file() for name in imported)
    assert gzip.decompress(app.with_name(f"{app.name}.gz").read_bytes()) == app.read_bytes()


def test_what_was_not_collected_is_served_from_where_it_lies():
    answer = Client().get(staticfiles_storage.url("css/app.css"))

    assert staticfiles_storage.url("css/app.css") == "/static/css/app.css"
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "max-age=60, public")
    answer.close()
