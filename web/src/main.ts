import { createApp } from 'vue'

import 'tdesign-vue-next/es/style/css.mjs'

import App from './App.vue'
import { applySettings } from './settings'
import './theme.css'

applySettings()
createApp(App).mount('#app')
