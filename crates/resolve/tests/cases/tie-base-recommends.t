# A provider that the base recommends is taken.
repo system 0 testtags <inline>
#>=Pkg: desktop 1 1 noarch
#>=Rec: d
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
#>=Pkg: d 1 1 noarch
#>=Prv: x
system x86_64 rpm system
solverflags ignorerecommended
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install d-1-1.noarch@available
