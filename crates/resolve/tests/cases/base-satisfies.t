# What the base provides is not added, however new the offer is.
repo system 0 testtags <inline>
#>=Pkg: z 1 1 noarch
#>=Prv: libz.so.1()(64bit)
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: libz.so.1()(64bit)
#>=Pkg: y 9 1 noarch
#>=Prv: libz.so.1()(64bit)
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
