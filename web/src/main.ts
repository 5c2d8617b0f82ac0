import { createApp } from 'vue'

import 'tdesign-vue-next/es/style/css.mjs'

import App from './App.vue'
import { arrive } from './arrival'
import { applySettings } from './settings'
import './theme.css'

applySettings()
arrive()
createApp(App).mount('#app')
