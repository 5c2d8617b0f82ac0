// One icon for each kind of file.

import { FileIcon, ImageIcon, SoundIcon, VideoIcon } from 'tdesign-icons-vue-next'

export const ICONS = { audio: SoundIcon, file: FileIcon, image: ImageIcon, video: VideoIcon }
