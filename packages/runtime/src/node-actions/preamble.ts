/**
 * What pushed modules of Node actions find besides the globals of Node: the names of CommonJS, since the bundles are ES
 * modules in which bundled CommonJS code asks for `require` (function-runtime.md §3.8). It shares the first line, so
 * that only columns there move.
 */
export const preamble =
  'import{createRequire as __concaveCreateRequire}from"node:module";' +
  'import{fileURLToPath as __concavePath}from"node:url";' +
  'const require=__concaveCreateRequire(import.meta.url),module={exports:{}},exports=module.exports,' +
  '__filename=__concavePath(import.meta.url),__dirname=__concavePath(new URL(".",import.meta.url));'

export const preambleLength = preamble.length
