import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from './api/queries'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'
import { applyTheme } from './theme'
import { Frame } from './ui/Frame'

applyTheme()

createRoot(document.getElementById('portal')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Frame>
        <RouterProvider router={router} />
      </Frame>
    </QueryClientProvider>
  </StrictMode>,
)
