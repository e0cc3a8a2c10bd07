# The repository of higher priority wins among providers.
repo system 0 testtags <inline>
repo low -99 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: x 1 1 noarch
#>=Prv: x
repo high -50 testtags <inline>
#>=Pkg: y 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@low
#>install y-1-1.noarch@high
