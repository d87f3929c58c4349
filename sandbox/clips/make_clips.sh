#!/bin/sh
# Makes the sandbox's clips and their cover pictures again; needs ffmpeg with libx264 and drawtext.
# Three seconds each, H.264 baseline, a silent AAC track, index in front (faststart): what a browser plays at once.
set -eu
cd "$(dirname "$0")"

make_clip() {
    name=$1 size=$2 label=$3
    ffmpeg -v error -y \
        -f lavfi -i "gradients=s=${size}:c0=0x123456:c1=0x1f8a8a:c2=0x7a4fa3:n=3:speed=0.02:seed=7:r=12:d=3" \
        -f lavfi -i "anullsrc=r=22050:cl=mono" \
        -vf "drawtext=text='OctopusX sandbox':fontcolor=white:fontsize=w/14:x=(w-tw)/2:y=h/2-th*1.5,\
drawtext=text='${label}':fontcolor=white:fontsize=w/10:x=(w-tw)/2+sin(t*2)*w/8:y=h/2+th/2" \
        -t 3 -c:v libx264 -profile:v baseline -pix_fmt yuv420p -preset veryslow -crf 30 \
        -c:a aac -b:a 16k -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
        -movflags +faststart "${name}.mp4"
    ffmpeg -v error -y -i "${name}.mp4" -frames:v 1 -q:v 8 -bitexact "${name}.jpg"
}

make_clip 16x9 640x360 '16\:9'
make_clip 4x3 480x360 '4\:3'
make_clip 1x1 360x360 '1\:1'
make_clip 3x4 360x480 '3\:4'
make_clip 9x16 360x640 '9\:16'
make_clip 21x9 672x288 '21\:9'
make_clip 3x2 480x320 '3\:2'
make_clip 2x3 320x480 '2\:3'
