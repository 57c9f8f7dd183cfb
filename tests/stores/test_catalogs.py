"""What was read is opened again, and nothing but what is whole is believed."""

import json
import os
from pathlib import Path

import pytest

from isthmus.catalog.relations import Relations
from isthmus.catalog.share import Share
from isthmus.errors import ConfigurationError
from isthmus.model import Effect
from isthmus.openapi.packed import ReadDocument
from isthmus.stores.catalogs import CatalogFiles
from isthmus.stores.kept import kept, opened
from isthmus.upstreams.documents import digest_of

pytestmark = pytest.mark.anyio


def document(summary: str = "List pets") -> bytes:
    pet = {"type": "object", "properties": {"name": {"type": "string"}}}
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/x/Pet"}}}}}
    query = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    listing = {"operationId": "listPets", "summary": summary, "parameters": [query], "responses": answer}
    whole = {"openapi": "3.0.3", "info": {"title": "Pets"}, "paths": {"/pets": {"get": listing}}}
    return json.dumps({**whole, "components": {"x": {"Pet": pet}}}).encode()


@pytest.fixture
def files(tmp_path: Path) -> CatalogFiles:
    return CatalogFiles(tmp_path / "catalogs")


def files_in(store: CatalogFiles) -> list[Path]:
    return sorted(store.folder.iterdir())


async def read(store: CatalogFiles, content: bytes | None = None, upstream: str = "pets") -> ReadDocument:
    content = content or document()
    return await store.read(content, digest_of(content), "pets.json", upstream, frozenset({("header", "x-key")}))


async def test_a_document_that_was_read_is_opened_and_says_the_same(files: CatalogFiles) -> None:
    first, second = await read(files), await read(CatalogFiles(files.folder))
    assert first.compiled == second.compiled
    assert first.document.root == second.document.root
    assert first.key == second.key != ""
    assert len(files_in(files)) == 1


async def test_schemas_of_an_opened_document_are_parts_of_it(files: CatalogFiles) -> None:
    await read(files)
    opened_again = await read(files)
    (operation,) = opened_again.compiled.operations
    (written,) = opened_again.document.root["paths"]["/pets"]["get"]["parameters"]
    assert operation.parameters[0].schema is written["schema"]
    assert operation.document is opened_again.document.schemas


async def test_another_document_another_name_and_another_credential_are_read_anew(files: CatalogFiles) -> None:
    keys = {(await read(files)).key, (await read(files, document("Other"))).key, (await read(files, None, "b")).key}
    keys.add((await files.read(document(), digest_of(document()), "pets.json", "pets", frozenset())).key)
    assert len(keys) == len(files_in(files)) == 4


@pytest.mark.parametrize("damage", [b"", b"isthmus\n", b"x" * 4000])
async def test_a_file_that_is_damaged_is_made_anew(files: CatalogFiles, damage: bytes) -> None:
    whole = await read(files)
    (path,) = files_in(files)
    before = path.read_bytes()
    path.write_bytes(damage)
    told: list[str] = []
    assert (await read(CatalogFiles(files.folder, told.append))).compiled == whole.compiled
    assert path.read_bytes() == before
    assert told == [f"{path} is damaged: it is made anew"]


async def test_a_file_that_is_whole_and_something_else_is_made_anew(files: CatalogFiles) -> None:
    whole = await read(files)
    (path,) = files_in(files)
    kept(path, b"not what is meant")
    assert (await read(files)).compiled == whole.compiled


async def test_a_link_is_not_believed(files: CatalogFiles, tmp_path: Path) -> None:
    await read(files)
    (path,) = files_in(files)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert opened(path) is None


async def test_files_are_their_owners_alone(files: CatalogFiles) -> None:
    await read(files)
    (path,) = files_in(files)
    assert path.stat().st_mode & 0o077 == 0
    assert files.folder.stat().st_mode & 0o077 == 0


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "older")):
        kept(tmp_path / f"{name}.kept", b"x" * 100)
        os.utime(tmp_path / f"{name}.kept", (1e9 - age, 1e9 - age))
    kept(tmp_path / "newest.kept", b"x" * 100, most=300)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "newest"]


async def test_a_large_document_is_read_by_a_child_and_says_the_same(files: CatalogFiles, tmp_path: Path) -> None:
    told: list[str] = []
    children = CatalogFiles(tmp_path / "children", told.append, large=1, many=1)
    here, there = await read(files), await read(children)
    share = await children.share(there.key, there.compiled.operations, [0])
    relations = await children.relations(there.key, there.compiled.operations)
    assert there.compiled == here.compiled
    assert share == Share.read(here.compiled.operations)
    said = [line.partition(" took")[0] for line in told]
    assert said == ["pets: reading its document", "pets: indexing 1 operations", "pets: relating 1 operations"]
    assert relations.packed(here.compiled.operations) == Relations.build(here.compiled.operations).packed(
        here.compiled.operations
    )
    assert len(files_in(children)) == 3


async def test_what_is_wrong_with_a_document_is_told_also_where_a_child_finds_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no `paths`"):
        await read(CatalogFiles(tmp_path / "catalogs", large=1), b'{"openapi": "3.0.3"}')


async def test_a_share_belongs_to_the_operations_that_are_seen(files: CatalogFiles) -> None:
    found = await read(files)
    one = await files.share(found.key, found.compiled.operations, [0])
    none = await files.share(found.key, (), [])
    assert (len(one), len(none)) == (1, 0)
    assert len(files_in(files)) == 3


async def test_relations_belong_to_the_effects_that_the_operator_gave(files: CatalogFiles) -> None:
    found = await read(files)
    writing = [each.having(effect=Effect.WRITE) for each in found.compiled.operations]
    for operations in (found.compiled.operations, writing, writing):
        await files.relations(found.key, operations)
    assert len(files_in(files)) == 3


async def test_a_share_of_what_is_not_kept_is_not_kept_either(files: CatalogFiles) -> None:
    found = await read(files)
    assert len(await files.share("", found.compiled.operations, [0])) == 1
    assert len(files_in(files)) == 1


async def test_without_a_place_to_keep_anything_it_is_read_all_the_same(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").write_text("")
    found = await read(CatalogFiles(tmp_path / "file" / "catalogs", told.append))
    assert (found.key, len(found.compiled.operations)) == ("", 1)
    assert "cannot keep" in told[0]
