/** The commands of the README's quickstart, exactly as printed. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The content of every `sh` block between the heading "Quickstart" and the next one of its level, in order. */
export async function readQuickstartBlocks(repository: string): Promise<readonly string[]> {
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  const [, section = ''] = /^## Quickstart\n([\s\S]*?)^## /m.exec(readme) ?? []
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((match) => match[1] ?? [])
}
