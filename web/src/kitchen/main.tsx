/** Every part of the kit on one page, to look at. Served by `vite dev` at /kitchen.html; not in the production build. */
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '../styles/tokens.css'
import '../styles/base.css'
import { Frame } from '../ui/Frame'
import { Kitchen } from './Kitchen'

const router = createRouter({
  routeTree: createRootRoute({ component: Kitchen }),
  history: createMemoryHistory({ initialEntries: ['/approvals'] }),
  defaultNotFoundComponent: Kitchen,
})

createRoot(document.getElementById('portal')!).render(
  <StrictMode>
    <Frame>
      {/* This router has no routes of its own, so it is not the registered one. */}
      <RouterProvider router={router as never} />
    </Frame>
  </StrictMode>,
)
