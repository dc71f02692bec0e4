import { describe, expect, it } from 'vitest'
import { Router } from './router.ts'

const router = new Router<string>()
  .add('GET', '/teams', 'teams')
  .add('POST', '/teams/create_team', 'createTeam')
  .add('GET', '/teams/{team_id}/projects', 'projects')
  .add('GET', '/teams/{team_id_or_slug}/projects/{project_slug}', 'project')
  .add('POST', '/teams/{team_id}/projects', 'createProject')
  .add('POST', '/run/{path*}', 'run')
  .add('GET', '/', 'root')

describe('Router', () => {
  it.each([
    ['GET', '/', 'root', {}],
    ['GET', '/teams', 'teams', {}],
    ['HEAD', '/teams', 'teams', {}],
    ['GET', '/teams/', 'teams', {}],
    ['GET', '//teams', 'teams', {}],
    ['POST', '/teams/create_team', 'createTeam', {}],
    ['GET', '/teams/7/projects', 'projects', { team_id: '7' }],
    ['GET', '/teams/a%2Fb/projects/x%20y', 'project', { team_id_or_slug: 'a/b', project_slug: 'x y' }],
    ['GET', '/teams/create_team/projects', 'projects', { team_id: 'create_team' }],
    ['POST', '/run/messages/list', 'run', { path: 'messages/list' }],
  ])('takes %s %s to %s', (method, path, handler, params) => {
    expect(router.match(method, path)).toEqual({ kind: 'found', handler, params })
  })

  it.each([
    ['GET', '/nothing'],
    ['GET', '/teams/7'],
    ['POST', '/run'],
    ['GET', '/teams/7/projects/x/y'],
    ['GET', `/${'a/'.repeat(100)}`],
  ])('knows nothing at %s %s', (method, path) => {
    expect(router.match(method, path)).toEqual({ kind: 'unknown' })
  })

  it('says which methods a path has', () => {
    expect(router.match('DELETE', '/teams/7/projects')).toEqual({ kind: 'otherMethod', allowed: ['GET', 'POST'] })
  })

  it('refuses broken percent escapes', () => {
    expect(() => router.match('GET', '/teams/%zz/projects')).toThrow('not properly percent-encoded')
  })

  it('does not take the same route twice', () => {
    expect(() => new Router<string>().add('GET', '/a/{x}', '1').add('GET', '/a/{y}', '2')).toThrow('Route added twice')
  })
})
