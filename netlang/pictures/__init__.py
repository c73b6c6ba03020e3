"""Small pictures of what nets see and do: sheets of images with captions, and line charts.

from netlang.pictures import chart, save, sheet

save(sheet([[image, filled], ...], columns=("given", "filled")), "inpainting.png")
"""

from netlang.pictures.chart import chart as chart
from netlang.pictures.colours import painted as painted
from netlang.pictures.colours import signed as signed
from netlang.pictures.sheet import save as save
from netlang.pictures.sheet import sheet as sheet
