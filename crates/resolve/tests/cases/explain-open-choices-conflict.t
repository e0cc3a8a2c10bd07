# A conflict is found beside many choices that are no part of it.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: top 1 1 noarch
#>=Req: c00
#>=Req: c01
#>=Req: c02
#>=Req: c03
#>=Req: c04
#>=Req: c05
#>=Req: c06
#>=Req: c07
#>=Req: c08
#>=Req: c09
#>=Req: c10
#>=Req: c11
#>=Req: c12
#>=Req: c13
#>=Req: c14
#>=Req: c15
#>=Req: c16
#>=Req: c17
#>=Req: c18
#>=Req: c19
#>=Req: left
#>=Req: right
#>=Pkg: c00 1 1 noarch
#>=Pkg: c00 2 1 noarch
#>=Pkg: c01 1 1 noarch
#>=Pkg: c01 2 1 noarch
#>=Pkg: c02 1 1 noarch
#>=Pkg: c02 2 1 noarch
#>=Pkg: c03 1 1 noarch
#>=Pkg: c03 2 1 noarch
#>=Pkg: c04 1 1 noarch
#>=Pkg: c04 2 1 noarch
#>=Pkg: c05 1 1 noarch
#>=Pkg: c05 2 1 noarch
#>=Pkg: c06 1 1 noarch
#>=Pkg: c06 2 1 noarch
#>=Pkg: c07 1 1 noarch
#>=Pkg: c07 2 1 noarch
#>=Pkg: c08 1 1 noarch
#>=Pkg: c08 2 1 noarch
#>=Pkg: c09 1 1 noarch
#>=Pkg: c09 2 1 noarch
#>=Pkg: c10 1 1 noarch
#>=Pkg: c10 2 1 noarch
#>=Pkg: c11 1 1 noarch
#>=Pkg: c11 2 1 noarch
#>=Pkg: c12 1 1 noarch
#>=Pkg: c12 2 1 noarch
#>=Pkg: c13 1 1 noarch
#>=Pkg: c13 2 1 noarch
#>=Pkg: c14 1 1 noarch
#>=Pkg: c14 2 1 noarch
#>=Pkg: c15 1 1 noarch
#>=Pkg: c15 2 1 noarch
#>=Pkg: c16 1 1 noarch
#>=Pkg: c16 2 1 noarch
#>=Pkg: c17 1 1 noarch
#>=Pkg: c17 2 1 noarch
#>=Pkg: c18 1 1 noarch
#>=Pkg: c18 2 1 noarch
#>=Pkg: c19 1 1 noarch
#>=Pkg: c19 2 1 noarch
#>=Pkg: left 1 1 noarch
#>=Con: right
#>=Pkg: left 2 1 noarch
#>=Con: right
#>=Pkg: right 1 1 noarch
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install name top
result transaction,problems <inline>
#>problem info package left-1-1.noarch conflicts with right provided by right-1-1.noarch
#>problem info package left-2-1.noarch conflicts with right provided by right-1-1.noarch
#>problem info package top-1-1.noarch requires left, provided by left-2-1.noarch
#>problem info package top-1-1.noarch requires right, provided by right-1-1.noarch
