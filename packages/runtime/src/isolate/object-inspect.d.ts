declare module 'object-inspect' {
  type Options = {
    readonly indent?: number
    readonly maxStringLength?: number
    readonly customInspect?: boolean
    readonly depth?: number
  }
  export default function inspect(value: unknown, options?: Options): string
}
