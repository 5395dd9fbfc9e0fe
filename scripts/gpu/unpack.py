"""`unpack.py FOLDER` unpacks what lies beside this file, by Python alone: the machine may have no xz."""

import lzma
import shutil
import sys
import tarfile
from pathlib import Path

here, folder = Path(__file__).resolve().parent, Path(sys.argv[1])
if folder.exists():
    shutil.rmtree(folder)
folder.mkdir(parents=True)
with tarfile.open(here / "package.tar.xz", "r:xz") as archive:
    archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
node = folder / "bin" / "node"
node.parent.mkdir()
with lzma.open(here / "node.xz") as packed, node.open("wb") as file:
    shutil.copyfileobj(packed, file, 1 << 20)
node.chmod(0o755)
print(f"{sum(path.is_file() for path in folder.rglob('*'))} files in {folder}")
