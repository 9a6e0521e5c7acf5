// Puts each script and what it imports into one file that a page can load. No dependencies:
// a build machine needs Node and nothing from npm.
//
// MIX_ENV decides which scripts are built, as it does in Qusto: the community edition
// (ce, ce_test, ce_dev) has no verifier.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const COMMUNITY = ["ce", "ce_test", "ce_dev"];
const SCRIPTS = [
  { source: "src/web.js", target: "js/plausible-web.js", eeOnly: false },
  {
    source: "src/verifier.js",
    target: "installation_support/verifier.js",
    eeOnly: true,
  },
];

const IMPORT = /^import \{[^}]*\} from "(\.\/[^"]+)";\n/gm;

/** The text of a module after that of every module it imports; each module once. */
async function bundle(file, seen = new Set()) {
  if (seen.has(file)) return "";
  seen.add(file);
  const source = await readFile(file, "utf8");
  const imported = [...source.matchAll(IMPORT)].map((match) =>
    path.resolve(path.dirname(file), match[1]),
  );

  let text = "";
  for (const module of imported) text += await bundle(module, seen);
  return text + source.replace(IMPORT, "").replace(/^export /gm, "");
}

/** Without the lines that hold nothing but a comment, and without indentation. */
function shrink(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("//"))
    .join("\n");
}

async function compile({ source, target }, version) {
  const text = (await bundle(path.join(here, source))).replaceAll(
    "COMPILE_VERSION",
    String(version),
  );
  const file = path.join(here, "../priv/tracker", target);
  await mkdir(path.dirname(file), { recursive: true });
  // Renamed into place: whoever looks meanwhile sees the old script or the new one.
  await writeFile(`${file}.part`, `(function(){\n${shrink(text)}\n})();\n`);
  await rename(`${file}.part`, file);
  console.log(`priv/tracker/${target}`);
}

const { tracker_script_version: version } = JSON.parse(
  await readFile(path.join(here, "package.json"), "utf8"),
);
const community = COMMUNITY.includes(process.env.MIX_ENV);
for (const script of SCRIPTS) {
  if (!(community && script.eeOnly)) await compile(script, version);
}
