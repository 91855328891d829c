// node compileall.mjs PYODIDE_FOLDER FOLDER ARGUMENT...: `python -m compileall ARGUMENT... FOLDER` in Pyodide.
import { pathToFileURL } from "node:url";

const [pyodideFolder, folder, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodideFolder}/pyodide.mjs`));
const python = await loadPyodide();
// The folder keeps its path, so that arguments which name it mean the same inside.
python.FS.mkdirTree(folder);
python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, folder);
python.globals.set("arguments", python.toPy([...options, folder]));
const succeeded = python.runPython(`
import compileall, sys
sys.argv = ["compileall", *arguments]
compileall.main()
`);
process.exit(succeeded ? 0 : 1);
