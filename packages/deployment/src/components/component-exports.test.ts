import type { AnalyzedModule } from '@concave/runtime'
import { expect, it } from 'vitest'
import { exportPublicFunctions, showDefinitionExports, showInstanceExports } from './component-exports.ts'

function moduleOf(...names: readonly string[]): AnalyzedModule {
  const functions = names.map((name) => ({
    name: name.replace('!', ''),
    pos: null,
    udfType: 'Query' as const,
    visibility: { kind: name.endsWith('!') ? ('internal' as const) : ('public' as const) },
    args: '{"type":"any"}',
    returns: 'null',
  }))
  return { functions, reuseContext: false, httpRoutes: undefined, cronsText: undefined }
}

const tree = exportPublicFunctions(
  new Map([
    ['lib/deep/words.js', moduleOf('greet', 'hidden!')],
    ['lib.js', moduleOf('deep', 'other')],
    ['public.js', moduleOf('default')],
    ['empty.js', moduleOf('hidden!')],
  ]),
)

it('offers public functions by directory, module and export', () => {
  expect(showDefinitionExports(tree)).toEqual({
    type: 'branch',
    branch: [
      [
        'lib',
        {
          type: 'branch',
          branch: [
            [
              'deep',
              {
                type: 'branch',
                branch: [
                  [
                    'words',
                    {
                      type: 'branch',
                      branch: [['greet', { type: 'leaf', leaf: '_reference/function/lib/deep/words:greet' }]],
                    },
                  ],
                ],
              },
            ],
            ['other', { type: 'leaf', leaf: '_reference/function/lib:other' }],
          ],
        },
      ],
      [
        'public',
        { type: 'branch', branch: [['default', { type: 'leaf', leaf: '_reference/function/public:default' }]] },
      ],
    ],
  })
})

it('says of an instance where its functions stand', () => {
  expect(showInstanceExports(tree, 'a/b')['public']).toEqual({
    type: 'branch',
    children: {
      default: {
        type: 'leaf',
        resource: { type: 'function', path: { component: 'a/b', udfPath: 'public.js:default' } },
      },
    },
  })
})
