# The repository of higher priority wins over the newer version.
repo system 0 testtags <inline>
repo low 1 testtags <inline>
#>=Pkg: a 2 1 noarch
repo high 9 testtags <inline>
#>=Pkg: a 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@high
