/** Slugs: the readable, URL-safe names of teams and projects (3 to 64 ASCII characters). */
import { assert, BadRequest } from '@concave/base'
import { controlPlaneLimits } from './limits.ts'

/** Throws 400 `InvalidSlug`. */
export function checkSlug(slug: string): void {
  const { minSlugLength, maxSlugLength } = controlPlaneLimits
  if (slug.length < minSlugLength) {
    throw new BadRequest('InvalidSlug', `Slug must be at least ${minSlugLength} characters long.`)
  }
  if (slug.length > maxSlugLength) {
    throw new BadRequest('InvalidSlug', `Slug must be at most ${maxSlugLength} characters long.`)
  }
  if (!/^[a-zA-Z0-9_-]+$/.test(slug)) {
    throw new BadRequest('InvalidSlug', 'Slug must contain only letters, numbers, and `-`.')
  }
}

/** A slug for a free-form name; `fallback` completes names that leave too little. */
export function slugify(name: string, fallback: string): string {
  const plain = plainPart(name)
  if (plain.length >= controlPlaneLimits.minSlugLength) return plain
  return plain === '' ? fallback : `${fallback}-${plain}`
}

/** What a name leaves of lowercase letters, digits and `-`; may be empty. */
export function plainPart(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, controlPlaneLimits.maxSlugLength)
    .replace(/-+$/, '')
}

/** `base`, else `base-2`, `base-3`, …: the first that is not taken, no longer than `maxLength`. */
export async function firstFree(
  base: string,
  maxLength: number,
  isTaken: (candidate: string) => Promise<boolean>,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const suffix = attempt === 1 ? '' : `-${attempt}`
    assert(suffix.length < maxLength, 'There is room for the suffix.')
    const candidate = base.slice(0, maxLength - suffix.length) + suffix
    if (!(await isTaken(candidate))) return candidate
  }
}
