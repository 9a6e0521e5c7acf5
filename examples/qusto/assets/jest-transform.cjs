// TypeScript to what Node runs, by the compiler that is there already. Types are not checked
// here: `npm run typecheck` does that.
const ts = require("typescript");

module.exports = {
  process(source, fileName) {
    const { outputText } = ts.transpileModule(source, {
      fileName,
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.CommonJS,
        inlineSourceMap: true,
      },
    });
    return { code: outputText };
  },
};
